export interface Commit {
  /** Day of the commit, `2026-11-21`. */
  readonly date: string;
  /** A version tag on it, `v1.2.0`. */
  readonly tag: string | null;
  readonly subject: string;
}

interface Section {
  readonly title: string;
  readonly lines: Map<string, string[]>;
}

/** Prefix of a commit line → heading, in the order of the changelog. `TEST:` and lines without a prefix are not listed. */
const HEADINGS: Readonly<Record<string, string>> = {
  FEATURE: "Features",
  FIX: "Fixes",
  METRIC: "Metrics",
  DOCS: "Documentation",
};

/** The changelog of commits given newest first. */
export function render(commits: readonly Commit[], nextVersion: string): string {
  const sections: Section[] = [{ title: `${nextVersion} (not released)`, lines: new Map() }];
  for (const { date, tag, subject } of commits) {
    if (tag !== null) sections.push({ title: `${tag.slice(1)} (${date})`, lines: new Map() });
    addLine(sections.at(-1)?.lines, subject);
  }
  const parts = sections.filter(({ lines }) => lines.size > 0).map(renderSection);
  return `# Changelog\n\n${parts.join("\n")}`;
}

function addLine(lines: Map<string, string[]> | undefined, subject: string): void {
  const [, prefix = "", text = ""] = /^([A-Z]+): *(.+)$/.exec(subject) ?? [];
  if (lines === undefined || HEADINGS[prefix] === undefined) return;
  const known = lines.get(prefix) ?? [];
  if (!known.includes(text)) lines.set(prefix, [...known, text]);
}

function renderSection({ title, lines }: Section): string {
  const groups = Object.entries(HEADINGS).flatMap(([prefix, heading]) => {
    const texts = lines.get(prefix) ?? [];
    return texts.length === 0
      ? []
      : [`### ${heading}\n${texts.map((text) => `- ${text}\n`).join("")}`];
  });
  return `## ${title}\n\n${groups.join("\n")}`;
}
