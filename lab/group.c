// group: N processes in a cgroup v2 with memory.oom.group=1; one grows, the kernel kills all of them as one incident.
#include "common.h"

static const char USAGE[] = "group --cgroup DIR [--processes N] [--mib N] [--no-group]";

// Members hold a little memory each and wait, so that the grower is the first victim.
static pid_t start_member(const char *cgroup, int ready) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child > 0) return child;
  enter_cgroup(cgroup);
  prctl(PR_SET_NAME, "member", 0, 0, 0);
  touch_bytes(64 << 10, false);
  if (write(ready, "x", 1) != 1) fail("ready");
  for (;;) pause();
}

static pid_t start_grower(const char *cgroup, long mib) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child > 0) return child;
  enter_cgroup(cgroup);
  prctl(PR_SET_NAME, "grower", 0, 0, 0);
  grow(mib, false);
  return 0;
}

// Without the group kill the members live on: take them away ourselves, and say how many died before that.
static long reap(const pid_t *members, long count, pid_t grower, const char *path) {
  long killed = 0;
  if (wait_killed(grower) == grower) {
    print_death(grower, path, SIGKILL, ",\"role\":\"grower\"");
    killed++;
  }
  for (long i = 0; i < count; i++) {
    if (members[i] == 0) continue;
    usleep(1000);
    // A member that is not yet dead 2 s after the grower was spared by the kernel.
    int status = 0;
    bool ours = true;
    for (int tries = 0; tries < 200 && ours; tries++) {
      ours = waitpid(members[i], &status, WNOHANG) != members[i];
      if (ours) usleep(10000);
    }
    if (ours) {
      kill(members[i], SIGTERM);
      waitpid(members[i], &status, 0);
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
      print_death(members[i], path, SIGKILL, ",\"role\":\"member\"");
      killed++;
    }
  }
  return killed;
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"cgroup", required_argument, NULL, 'c'}, {"processes", required_argument, NULL, 'p'},
      {"mib", required_argument, NULL, 'm'}, {"no-group", no_argument, NULL, 'g'}, {0}};
  const char *cgroup = NULL;
  long processes = 20, mib = DEFAULT_MIB;
  bool group = true;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'c') cgroup = optarg;
    else if (option == 'p') processes = number(optarg);
    else if (option == 'm') mib = number(optarg);
    else if (option == 'g') group = false;
    else usage(USAGE);
  }
  if (cgroup == NULL || processes < 1 || processes > 1000) usage(USAGE);
  char path[PATH_MAX];
  cgroup_path_of(cgroup, path, sizeof path);
  if (group) write_control(cgroup, "memory.oom.group", "1");
  int ready[2];
  if (pipe(ready) != 0) fail("pipe");
  pid_t members[1000];
  long count = processes - 1;
  for (long i = 0; i < count; i++) members[i] = start_member(cgroup, ready[1]);
  char byte;
  for (long i = 0; i < count; i++)
    if (read(ready[0], &byte, 1) != 1) fail("member");
  long killed = reap(members, count, start_grower(cgroup, mib), path);
  printf("{\"total\":%ld,\"processes\":%ld,\"group\":%s}\n", killed, processes,
         group ? "true" : "false");
  return !group || killed == processes ? 0 : 1;
}
