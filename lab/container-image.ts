import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const APPLETS = ["sh", "dd", "sleep", "cat", "true", "false", "kill", "echo"];

/**
 * An image of busybox alone, from scratch, as `docker save` writes it: containerd imports it, Docker loads it. It sleeps,
 * so it serves as the sandbox of a pod too.
 */
export function buildImageArchive(archive: string, name: string, scratch: string): void {
  const root = join(scratch, "root");
  for (const folder of ["bin", "tmp", "proc", "sys", "dev", "etc"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  for (const applet of APPLETS) symlinkSync("busybox", join(root, "bin", applet));
  execFileSync("tar", [
    "-C",
    root,
    "--owner=0",
    "--group=0",
    "-cf",
    join(scratch, "layer.tar"),
    ".",
  ]);
  const layer = createHash("sha256")
    .update(readFileSync(join(scratch, "layer.tar")))
    .digest("hex");
  const config = {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Cmd: ["/bin/sleep", "1000000"], Env: ["PATH=/bin"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${layer}`] },
  };
  const manifest = [{ Config: "config.json", RepoTags: [name], Layers: ["layer.tar"] }];
  writeFileSync(join(scratch, "config.json"), JSON.stringify(config));
  writeFileSync(join(scratch, "manifest.json"), JSON.stringify(manifest));
  const files = ["manifest.json", "config.json", "layer.tar"];
  execFileSync("tar", ["-C", scratch, "-cf", archive, ...files]);
  rmSync(scratch, { recursive: true });
}
