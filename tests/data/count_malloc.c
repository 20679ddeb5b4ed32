/* Preloaded into the program under test: counts every allocation of the threads from capture to disk (by their names), or of the
 * one that COUNT_THREAD names, C's and Rust's alike, into a file that the test maps. Built by the test with the system's compiler. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static unsigned long *count;
static unsigned long before;
static const char *only;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("COUNT_MALLOC");
  only = getenv("COUNT_THREAD");
  int fd = path ? open(path, O_RDWR) : -1;
  if (fd >= 0) {
    void *map = mmap(0, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) count = map;
    close(fd);
  }
}

static void one_more(void) {
  char name[16] = "";
  prctl(PR_GET_NAME, name);
  if (only ? !strcmp(name, only) : strstr(name, "/capture") || strstr(name, "/encoder") || !strcmp(name, "store"))
    __atomic_add_fetch(count ? count : &before, 1, __ATOMIC_RELAXED);
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t n) { one_more(); return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { one_more(); return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { one_more(); return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { one_more(); return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { one_more(); return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { one_more(); return (*p = __libc_memalign(a, n)) ? 0 : 12; }
