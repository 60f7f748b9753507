// supervisor: a main process that lives on while its child is killed, as a container's does whose worker is killed.
#include "common.h"

static const char USAGE[] =
    "supervisor [--kills N] [--mib N] [--pause MS] [--diary FILE] [--exit CODE | --until-term CODE | --grow]\n"
    "  forks N children, one after the other, that grow until killed; then ends with CODE, or when SIGTERM comes, or\n"
    "  pauses once more and grows itself until killed\n"
    "  FILE gets a line for each of its lives, and one for each child that was killed";

static volatile sig_atomic_t terminated = 0;

static void on_term(int signal) {
  (void)signal;
  terminated = 1;
}

static void pause_milliseconds(long milliseconds) {
  struct timespec t = {milliseconds / 1000, (milliseconds % 1000) * 1000000};
  nanosleep(&t, NULL);
}

// What a runtime forgets of its output while nobody reads it is still here.
static void note(const char *diary, const char *line) {
  if (diary == NULL) return;
  int file = open(diary, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || write(file, line, strlen(line)) < 0) fail(diary);
  close(file);
}

static void wait_for_term(void) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  while (!terminated) sigsuspend(&before);
  sigprocmask(SIG_SETMASK, &before, NULL);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"kills", required_argument, NULL, 'k'}, {"mib", required_argument, NULL, 'm'},
      {"pause", required_argument, NULL, 'p'}, {"exit", required_argument, NULL, 'e'},
      {"until-term", required_argument, NULL, 't'},
      {"diary", required_argument, NULL, 'd'},
      {"grow", no_argument, NULL, 'g'}, {0}};
  long kills = 1, mib = DEFAULT_MIB, pause = 0, code = 0;
  bool until_term = false, grows = false;
  const char *diary = NULL;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'k') kills = number(optarg);
    else if (option == 'm') mib = number(optarg);
    else if (option == 'p') pause = number(optarg);
    else if (option == 'e') code = number(optarg);
    else if (option == 't') { code = number(optarg); until_term = true; }
    else if (option == 'g') grows = true;
    else if (option == 'd') diary = optarg;
    else usage(USAGE);
  }
  // Process 1 of a pid namespace ignores signals without a handler.
  struct sigaction action = {.sa_handler = on_term};
  sigaction(SIGTERM, &action, NULL);
  long killed = 0;
  note(diary, "life\n");
  for (long i = 0; i < kills && !terminated; i++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      set_name("worker");
      // The child goes first, whatever the kernel thinks of its parent.
      write_control("/proc/self", "oom_score_adj", "1000");
      grow(mib, false);
    }
    if (wait_killed(child) > 0) {
      killed++;
      note(diary, "child\n");
    }
    pause_milliseconds(pause);
  }
  printf("{\"killed\":%ld}\n", killed);
  fflush(stdout);
  if (until_term) wait_for_term();
  if (grows) {
    pause_milliseconds(pause);
    grow(mib, false);
  }
  _exit((int)code);
}
