// leader-exit: the leader of a thread group ends; another thread (tid != tgid) grows and is killed. The kernel then prints
// the thread's id where people expect the pid.
#include "common.h"
#include <pthread.h>

static const char USAGE[] = "leader-exit --cgroup DIR [--mib N]";

struct job {
  long mib;
  int ready;
};

static void *run(void *argument) {
  const struct job *job = argument;
  pid_t tid = (pid_t)syscall(SYS_gettid);
  prctl(PR_SET_NAME, "second-thread", 0, 0, 0);
  if (write(job->ready, &tid, sizeof tid) != sizeof tid) fail("ready");
  usleep(200000);  // until the leader is a zombie
  grow(job->mib, false);
  return NULL;
}

// The bare system call: pthread_exit() would load a library, which a static program has not got.
static void lead(const char *cgroup, long mib, int ready) {
  static struct job job;
  pthread_t thread;
  job = (struct job){.mib = mib, .ready = ready};
  enter_cgroup(cgroup);
  if (pthread_create(&thread, NULL, run, &job) != 0) fail("pthread_create");
  syscall(SYS_exit, 0);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"cgroup", required_argument, NULL, 'c'}, {"mib", required_argument, NULL, 'm'}, {0}};
  const char *cgroup = NULL;
  long mib = DEFAULT_MIB;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'c') cgroup = optarg;
    else if (option == 'm') mib = number(optarg);
    else usage(USAGE);
  }
  if (cgroup == NULL) usage(USAGE);
  char path[PATH_MAX], extra[64];
  cgroup_path_of(cgroup, path, sizeof path);
  int ready[2];
  if (pipe(ready) != 0) fail("pipe");
  pid_t leader = fork();
  if (leader < 0) fail("fork");
  if (leader == 0) lead(cgroup, mib, ready[1]);
  pid_t tid = 0;
  if (read(ready[0], &tid, sizeof tid) != sizeof tid) fail("thread");
  bool killed = wait_killed(leader) == leader;
  snprintf(extra, sizeof extra, ",\"tid\":%d", (int)tid);
  if (killed) print_death(leader, path, SIGKILL, extra);
  printf("{\"total\":%d}\n", killed ? 1 : 0);
  return killed ? 0 : 1;
}
