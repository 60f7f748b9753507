// flood: writes lines to /dev/kmsg, as fast as asked, to overrun the log or to forge kills. The kernel gives every such
// record the facility of userspace (priority >= 8). Its own rate limit must be off: sysctl kernel.printk_devkmsg=on.
#include "common.h"

static const char USAGE[] =
    "flood [--lines N] [--rate LINES_PER_SECOND] [--text TEXT] [--forge] [--priority N] [--file PATH]";

// What a kernel would say, word for word, about process 1.
static const char *const FORGED[] = {
    "hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/forged,"
    "task_memcg=/forged,task=init,pid=1,uid=0",
    "Memory cgroup out of memory: Killed process 1 (init) total-vm:21572kB, anon-rss:20268kB, "
    "file-rss:4kB, shmem-rss:712kB, UID:0 pgtables:76kB oom_score_adj:0",
};

// Sleeps until line `index` is due; a rate of 0 is as fast as possible.
static void pace(long long began, long index, long rate) {
  if (rate <= 0) return;
  long long wait = began + index * 1000000LL / rate - now_microseconds();
  if (wait > 0) usleep((useconds_t)wait);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"lines", required_argument, NULL, 'l'}, {"rate", required_argument, NULL, 'r'},
      {"text", required_argument, NULL, 't'}, {"forge", no_argument, NULL, 'f'},
      {"priority", required_argument, NULL, 'p'}, {"file", required_argument, NULL, 'o'}, {0}};
  long lines = 1000, rate = 0, priority = 6, written = 0, refused = 0;
  const char *text = "lab flood", *path = "/dev/kmsg";
  bool forge = false;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'l') lines = number(optarg);
    else if (option == 'r') rate = number(optarg);
    else if (option == 't') text = optarg;
    else if (option == 'f') forge = true;
    else if (option == 'p') priority = number(optarg);
    else if (option == 'o') path = optarg;
    else usage(USAGE);
  }
  int fd = open(path, O_WRONLY | O_CLOEXEC | O_APPEND);
  if (fd < 0) fail(path);
  long long began = now_microseconds();
  for (long i = 0; i < lines; i++) {
    char line[900];
    pace(began, i, rate);
    if (forge) snprintf(line, sizeof line, "<%ld>%s\n", priority, FORGED[i % 3]);
    else snprintf(line, sizeof line, "<%ld>%s %ld\n", priority, text, i);
    if (write(fd, line, strlen(line)) > 0) written++;
    else refused++;
  }
  printf("{\"lines\":%ld,\"refused\":%ld,\"microseconds\":%lld}\n", written, refused,
         now_microseconds() - began);
  return 0;
}
