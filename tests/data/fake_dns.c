/* Preloaded into the program under test: a name that ends in .test is 127.0.0.1 as long as a file of that name is in the
 * folder FAKE_DNS, and unknown otherwise. Built by the test with the system's compiler. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int ask(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  ask *real = (ask *)dlsym(RTLD_NEXT, "getaddrinfo");
  const char *folder = getenv("FAKE_DNS"), *end = name ? strrchr(name, '.') : NULL;
  char path[4096];
  if (!folder || !end || strcmp(end, ".test")) return real(name, service, hints, found);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return access(path, F_OK) ? EAI_NONAME : real("127.0.0.1", service, hints, found);
}
