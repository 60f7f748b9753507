// storm: forks children as fast as it can; each enters the cgroup and grows until the kernel kills it.
// The parent stays outside (or, with --parent-inside, moves in first and is always the smaller process), reaps every child
// and prints one line for each that SIGKILL took, then {"total":…}. The truth of a test is what this prints.
#include "common.h"

static const char USAGE[] =
    "storm --cgroup DIR [--kills N] [--parallel K] [--mib N] [--parent-inside] [--name COMM]";

struct plan {
  const char *cgroup;
  const char *name;
  long kills, parallel, mib;
  bool parent_inside;
};

static struct plan parse(int argc, char **argv) {
  static const struct option options[] = {
      {"cgroup", required_argument, NULL, 'c'}, {"kills", required_argument, NULL, 'k'},
      {"parallel", required_argument, NULL, 'p'}, {"mib", required_argument, NULL, 'm'},
      {"parent-inside", no_argument, NULL, 'i'}, {"name", required_argument, NULL, 'n'}, {0}};
  struct plan plan = {.kills = 1, .parallel = 1, .mib = DEFAULT_MIB};
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'c') plan.cgroup = optarg;
    else if (option == 'k') plan.kills = number(optarg);
    else if (option == 'p') plan.parallel = number(optarg);
    else if (option == 'm') plan.mib = number(optarg);
    else if (option == 'i') plan.parent_inside = true;
    else if (option == 'n') plan.name = optarg;
    else usage(USAGE);
  }
  if (plan.cgroup == NULL || plan.kills < 1 || plan.parallel < 1) usage(USAGE);
  return plan;
}

// Returns false when the machine refused another process (the caller reaps one and tries again).
static bool start_child(const struct plan *plan) {
  pid_t child = fork();
  if (child < 0) return false;
  if (child > 0) return true;
  set_name(plan->name);
  if (!plan->parent_inside) enter_cgroup(plan->cgroup);
  grow(plan->mib, false);
  return true;
}

int main(int argc, char **argv) {
  struct plan plan = parse(argc, argv);
  char path[PATH_MAX];
  cgroup_path_of(plan.cgroup, path, sizeof path);
  if (plan.parent_inside) enter_cgroup(plan.cgroup);
  long long began = now_microseconds();
  long running = 0, killed = 0, forks = 0, survived = 0;
  // A child that survives is replaced, but a cgroup without a limit must not make us fork for ever.
  while (killed < plan.kills && survived < 10) {
    while (running < plan.parallel && running + killed < plan.kills && start_child(&plan)) {
      running++;
      forks++;
    }
    pid_t pid = wait_killed(-1);
    if (pid < 0) break;
    running--;
    if (pid == 0) survived++;
    else killed++;
    if (pid > 0) print_death(pid, path, SIGKILL, "");
  }
  printf("{\"total\":%ld,\"forks\":%ld,\"microseconds\":%lld}\n", killed, forks,
         now_microseconds() - began);
  return killed == plan.kills ? 0 : 1;
}
