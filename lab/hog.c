// hog: touches memory until it is killed. With --hold it stops at --mib and sleeps.
#include "common.h"

static const char USAGE[] =
    "hog [--mib N] [--cgroup DIR] [--name COMM] [--shmem] [--hold] [--adj N]   (COMM may hold \\xNN)";

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"mib", required_argument, NULL, 'm'}, {"cgroup", required_argument, NULL, 'c'},
      {"name", required_argument, NULL, 'n'}, {"shmem", no_argument, NULL, 's'},
      {"hold", no_argument, NULL, 'h'}, {"adj", required_argument, NULL, 'a'}, {0}};
  long mib = DEFAULT_MIB;
  const char *cgroup = NULL;
  bool shmem = false, hold = false;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'm') mib = number(optarg);
    else if (option == 'c') cgroup = optarg;
    else if (option == 'n') set_name(optarg);
    else if (option == 's') shmem = true;
    else if (option == 'h') hold = true;
    else if (option == 'a') write_control("/proc/self", "oom_score_adj", optarg);
    else usage(USAGE);
  }
  enter_cgroup(cgroup);
  if (!hold) grow(mib, shmem);
  touch_bytes((size_t)mib << 20, shmem);
  printf("{\"pid\":%d,\"held\":%ld}\n", (int)getpid(), mib);
  fflush(stdout);
  for (;;) pause();
}
