// SPDX-License-Identifier: MIT
#include "CCurl.h"

#include <stdio.h>
#include <stdlib.h>

struct ccurl_functions ccurl_functions;

const char *ccurl_load(void) {
  static const struct {
    const char *name;
    size_t at;
  } names[] = {
      {"curl_easy_init", offsetof(struct ccurl_functions, easy_init)},
      {"curl_easy_cleanup", offsetof(struct ccurl_functions, easy_cleanup)},
      {"curl_easy_setopt", offsetof(struct ccurl_functions, easy_setopt)},
      {"curl_easy_getinfo", offsetof(struct ccurl_functions, easy_getinfo)},
      {"curl_easy_strerror", offsetof(struct ccurl_functions, easy_strerror)},
      {"curl_free", offsetof(struct ccurl_functions, free)},
      {"curl_getdate", offsetof(struct ccurl_functions, getdate)},
      {"curl_global_init", offsetof(struct ccurl_functions, global_init)},
      {"curl_multi_add_handle", offsetof(struct ccurl_functions, multi_add_handle)},
      {"curl_multi_cleanup", offsetof(struct ccurl_functions, multi_cleanup)},
      {"curl_multi_info_read", offsetof(struct ccurl_functions, multi_info_read)},
      {"curl_multi_init", offsetof(struct ccurl_functions, multi_init)},
      {"curl_multi_remove_handle", offsetof(struct ccurl_functions, multi_remove_handle)},
      {"curl_multi_setopt", offsetof(struct ccurl_functions, multi_setopt)},
      {"curl_multi_socket_action", offsetof(struct ccurl_functions, multi_socket_action)},
      {"curl_slist_append", offsetof(struct ccurl_functions, slist_append)},
      {"curl_slist_free_all", offsetof(struct ccurl_functions, slist_free_all)},
      {"curl_url", offsetof(struct ccurl_functions, url)},
      {"curl_url_cleanup", offsetof(struct ccurl_functions, url_cleanup)},
      {"curl_url_get", offsetof(struct ccurl_functions, url_get)},
      {"curl_url_set", offsetof(struct ccurl_functions, url_set)},
  };
  if (ccurl_functions.global_init != NULL) return NULL;
  // Its functions for TLS are looked up among those of the whole process.
  void *library = dlopen("libcurl.so.4", RTLD_LAZY | RTLD_GLOBAL);
  if (library == NULL) return dlerror();
  struct ccurl_functions found;
  for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
    void *function = dlsym(library, names[index].name);
    if (function == NULL) return dlerror();
    memcpy((char *)&found + names[index].at, &function, sizeof function);
  }
  ccurl_functions = found;
  return NULL;
}

const struct ccurl_functions *ccurl_load_or_abort(void) {
  const char *fault = ccurl_load();
  if (fault == NULL) return &ccurl_functions;
  fprintf(stderr, "%s\n", fault);
  abort();
}
