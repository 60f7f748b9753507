// What the programs of the laboratory share: entering a cgroup, growing until killed, waiting, printing the truth.
// Every program prints one JSON object a line. A line with "signal" is a process that really died of that signal.
#ifndef OOMWITNESS_LAB_COMMON_H
#define OOMWITNESS_LAB_COMMON_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// A process that grew this far without being killed gives up: the laboratory never exhausts the machine.
#define DEFAULT_MIB 256
#define EXIT_NOT_KILLED 7
#define COMM_SIZE 16

static inline void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  _exit(1);
}

static inline void usage(const char *text) {
  fprintf(stderr, "usage: %s\n", text);
  exit(2);
}

static inline long number(const char *text) {
  char *end = NULL;
  long value = strtol(text, &end, 10);
  if (end == text || *end != '\0') {
    fprintf(stderr, "not a number: %s\n", text);
    exit(2);
  }
  return value;
}

// CLOCK_MONOTONIC, comparable with trace_clock `mono`.
static inline long long now_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline long long now_microseconds(void) { return now_nanoseconds() / 1000; }

static inline bool write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = (ssize_t)strlen(text);
  bool written = write(fd, text, (size_t)length) == length;
  int saved = errno;
  close(fd);
  errno = saved;
  return written;
}

static inline void write_control(const char *directory, const char *name, const char *text) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  if (!write_file(path, text)) fail(path);
}

// Moves the calling process ("0") into the cgroup; works on v1 and v2.
static inline void enter_cgroup(const char *directory) {
  if (directory != NULL) write_control(directory, "cgroup.procs", "0");
}

// The path of this process in the hierarchy that has the memory controller: `N:memory:/path` on v1, else `0::/path`.
static inline void own_cgroup(char *path, size_t size) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  char line[PATH_MAX + 64];
  bool found = false;
  snprintf(path, size, "/");
  while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *memory = strstr(line, ":memory:");
    if (memory != NULL) found = true;
    char *start = memory != NULL ? memory + 8 : strncmp(line, "0::", 3) == 0 ? line + 3 : NULL;
    if (start != NULL) snprintf(path, size, "%s", start);
  }
  if (file != NULL) fclose(file);
}

// The path a process gets by entering `directory`, found out by a child that enters it.
static inline void cgroup_path_of(const char *directory, char *path, size_t size) {
  int ends[2];
  if (directory == NULL) return own_cgroup(path, size);
  if (pipe(ends) != 0) fail("pipe");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    char buffer[PATH_MAX];
    enter_cgroup(directory);
    own_cgroup(buffer, sizeof buffer);
    _exit(write(ends[1], buffer, strlen(buffer)) > 0 ? 0 : 1);
  }
  close(ends[1]);
  ssize_t length = read(ends[0], path, size - 1);
  path[length > 0 ? length : 0] = '\0';
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (length <= 0) exit(1);
}

// Touches `bytes` of new memory page by page. Shared memory is charged as shmem instead of anon.
static inline void touch_bytes(size_t bytes, bool shmem) {
  int flags = (shmem ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_NORESERVE;
  char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  for (size_t at = 0; at < bytes; at += 4096) memory[at] = 1;
}

// Grows until the kernel kills us; gives up at `mib`.
static inline void grow(long mib, bool shmem) {
  touch_bytes((size_t)mib << 20, shmem);
  fprintf(stderr, "not killed after %ld MiB\n", mib);
  _exit(EXIT_NOT_KILLED);
}

// `\xNN` and `\\` become bytes, so that a comm can hold what no argument or terminal can.
static inline void unescape(const char *text, char *bytes, size_t size) {
  size_t length = 0;
  while (*text != '\0' && length + 1 < size) {
    unsigned value = 0;
    if (sscanf(text, "\\x%2x", &value) == 1) {
      bytes[length++] = (char)value;
      text += 4;
    } else {
      if (text[0] == '\\' && text[1] == '\\') text++;
      bytes[length++] = *text++;
    }
  }
  bytes[length] = '\0';
}

static inline void set_name(const char *escaped) {
  char comm[COMM_SIZE];
  if (escaped == NULL) return;
  unescape(escaped, comm, sizeof comm);
  prctl(PR_SET_NAME, comm, 0, 0, 0);
}

static inline void print_json_string(const char *text) {
  putchar('"');
  for (; *text != '\0'; text++) {
    unsigned char byte = (unsigned char)*text;
    if (byte == '"' || byte == '\\') printf("\\%c", byte);
    else if (byte < 0x20) printf("\\u%04x", byte);
    else putchar(byte);
  }
  putchar('"');
}

// One line of truth. `extra` is more JSON members, beginning with a comma, or "".
static inline void print_death(pid_t pid, const char *cgroup, int signal, const char *extra) {
  printf("{\"pid\":%d,\"cgroup\":", (int)pid);
  print_json_string(cgroup);
  printf(",\"signal\":%d,\"reapedMicroseconds\":%lld%s}\n", signal, now_microseconds(), extra);
}

// Waits for one child (pid, or any for -1); its pid if SIGKILL took it, 0 if it ended otherwise, -1 if there is none.
static inline pid_t wait_killed(pid_t wanted) {
  int status = 0;
  pid_t pid = 0;
  do pid = waitpid(wanted, &status, 0);
  while (pid < 0 && errno == EINTR);
  if (pid < 0) return -1;
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? pid : 0;
}
#endif
