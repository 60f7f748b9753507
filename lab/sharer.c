// sharer: two processes (thread groups) that share one memory, by clone(CLONE_VM) without CLONE_THREAD. The kernel selects
// one and kills the other with it, without a line, a counter or a tracepoint for the second (facts: mm-sharers).
#include "common.h"
#include <sched.h>

static const char USAGE[] = "sharer --cgroup DIR [--mib N] [--other-cgroup DIR]";

static const char *other_cgroup;
static char stack[64 << 10] __attribute__((aligned(16)));

static int share(void *argument) {
  int ready = *(int *)argument;
  enter_cgroup(other_cgroup);
  prctl(PR_SET_NAME, "sharer", 0, 0, 0);
  pid_t pid = (pid_t)syscall(SYS_getpid);
  if (write(ready, &pid, sizeof pid) != sizeof pid) return 1;
  for (;;) pause();
}

// CLONE_PARENT makes the sharer our grandparent's child, so that one process reaps both.
static void own_and_grow(const char *cgroup, long mib, int ready) {
  enter_cgroup(cgroup);
  prctl(PR_SET_NAME, "owner", 0, 0, 0);
  int flags = CLONE_VM | CLONE_PARENT | SIGCHLD;
  if (clone(share, stack + sizeof stack, flags, &ready) < 0) fail("clone");
  usleep(100000);
  grow(mib, false);
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"cgroup", required_argument, NULL, 'c'},
                                          {"other-cgroup", required_argument, NULL, 'o'},
                                          {"mib", required_argument, NULL, 'm'}, {0}};
  const char *cgroup = NULL;
  long mib = DEFAULT_MIB;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'c') cgroup = optarg;
    else if (option == 'o') other_cgroup = optarg;
    else if (option == 'm') mib = number(optarg);
    else usage(USAGE);
  }
  if (cgroup == NULL) usage(USAGE);
  char path[PATH_MAX], other[PATH_MAX];
  cgroup_path_of(cgroup, path, sizeof path);
  cgroup_path_of(other_cgroup != NULL ? other_cgroup : cgroup, other, sizeof other);
  int ready[2];
  if (pipe(ready) != 0) fail("pipe");
  pid_t owner = fork();
  if (owner < 0) fail("fork");
  if (owner == 0) own_and_grow(cgroup, mib, ready[1]);
  pid_t sharer = 0;
  if (read(ready[0], &sharer, sizeof sharer) != sizeof sharer) fail("sharer");
  long killed = 0;
  for (pid_t pid; (pid = wait_killed(-1)) >= 0;) {
    if (pid == 0) continue;
    bool first = pid == owner;
    print_death(pid, first ? path : other, SIGKILL,
                first ? ",\"role\":\"owner\"" : ",\"role\":\"sharer\"");
    killed++;
  }
  printf("{\"total\":%ld,\"counted\":1}\n", killed);
  return killed == 2 ? 0 : 1;
}
