// tsc-khz: prints the rate of this CPU's time stamp counter in kHz. QEMU without KVM hands the counter to its guest as it
// is; told the rate, the guest need not measure it against an emulated clock, which fails (and hangs) on a busy host.
#include "common.h"
#include <x86intrin.h>

int main(void) {
  // The shortest of several brackets, so that being scheduled away in the middle does no harm.
  unsigned long long ticks[2];
  long long at[2];
  for (int i = 0; i < 2; i++) {
    long long shortest = LLONG_MAX;
    for (int tries = 0; tries < 100; tries++) {
      long long before = now_nanoseconds();
      unsigned long long counter = __rdtsc();
      long long after = now_nanoseconds();
      if (after - before >= shortest) continue;
      shortest = after - before;
      ticks[i] = counter;
      at[i] = before + (after - before) / 2;
    }
    if (i == 0) usleep(100000);
  }
  printf("%llu\n", (ticks[1] - ticks[0]) * 1000000ULL / (unsigned long long)(at[1] - at[0]));
  return 0;
}
