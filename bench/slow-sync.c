/*
 * A disk that is slow to sync, for measuring: every fsync and fdatasync waits before it is done.
 * cc -shared -fPIC -O2 -o slow-sync.so slow-sync.c -ldl; then LD_PRELOAD=./slow-sync.so SLOW_SYNC_MICROSECONDS=2000
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_for_disk(void) {
  const char *text = getenv("SLOW_SYNC_MICROSECONDS");
  long microseconds = text ? atol(text) : 0;
  struct timespec rest = {microseconds / 1000000, microseconds % 1000000 * 1000};
  while (nanosleep(&rest, &rest) != 0) {
  }
}

static int sync_with(const char *name, int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  wait_for_disk();
  return real(file);
}

int fsync(int file) { return sync_with("fsync", file); }
int fdatasync(int file) { return sync_with("fdatasync", file); }
