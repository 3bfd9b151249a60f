// SPDX-License-Identifier: MIT
// libcurl is loaded when its first function is called. It brings some thirty libraries, those of TLS among them, and a process
// that sends no HTTP request does not need them. Swift can't call functions that take any number of arguments, so each of
// those stands here once for each type of argument.
#ifndef CCURL_H
#define CCURL_H
#include <curl/curl.h>
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/// The functions of libcurl that are called here.
struct ccurl_functions {
  __typeof__(curl_easy_init) *easy_init;
  __typeof__(curl_easy_cleanup) *easy_cleanup;
  __typeof__(curl_easy_setopt) *easy_setopt;
  __typeof__(curl_easy_getinfo) *easy_getinfo;
  __typeof__(curl_easy_strerror) *easy_strerror;
  __typeof__(curl_free) *free;
  __typeof__(curl_getdate) *getdate;
  __typeof__(curl_global_init) *global_init;
  __typeof__(curl_multi_add_handle) *multi_add_handle;
  __typeof__(curl_multi_cleanup) *multi_cleanup;
  __typeof__(curl_multi_info_read) *multi_info_read;
  __typeof__(curl_multi_init) *multi_init;
  __typeof__(curl_multi_remove_handle) *multi_remove_handle;
  __typeof__(curl_multi_setopt) *multi_setopt;
  __typeof__(curl_multi_socket_action) *multi_socket_action;
  __typeof__(curl_slist_append) *slist_append;
  __typeof__(curl_slist_free_all) *slist_free_all;
  __typeof__(curl_url) *url;
  __typeof__(curl_url_cleanup) *url_cleanup;
  __typeof__(curl_url_get) *url_get;
  __typeof__(curl_url_set) *url_set;
};

/// Those of the library, once it is loaded.
extern struct ccurl_functions ccurl_functions;

/// Loads the library, unless it is loaded. Returns NULL, or what the system says of its absence.
const char *ccurl_load(void);

/// The functions. Ends the process where the library can't be loaded: who wants to say so calls ccurl_load first.
const struct ccurl_functions *ccurl_load_or_abort(void);
static inline const struct ccurl_functions *ccurl(void) {
  return ccurl_functions.global_init != NULL ? &ccurl_functions : ccurl_load_or_abort();
}

static inline CURLcode ccurl_global_init(long flags) { return ccurl()->global_init(flags); }
static inline CURL *ccurl_easy_init(void) { return ccurl()->easy_init(); }
static inline void ccurl_easy_cleanup(CURL *easy) { ccurl()->easy_cleanup(easy); }
static inline const char *ccurl_easy_strerror(CURLcode code) { return ccurl()->easy_strerror(code); }
static inline void ccurl_free(void *text) { ccurl()->free(text); }
static inline time_t ccurl_getdate(const char *text) { return ccurl()->getdate(text, NULL); }
static inline CURLM *ccurl_multi_init(void) { return ccurl()->multi_init(); }
static inline CURLMcode ccurl_multi_cleanup(CURLM *multi) { return ccurl()->multi_cleanup(multi); }
static inline CURLMcode ccurl_multi_add_handle(CURLM *multi, CURL *easy) { return ccurl()->multi_add_handle(multi, easy); }
static inline CURLMcode ccurl_multi_remove_handle(CURLM *multi, CURL *easy) {
  return ccurl()->multi_remove_handle(multi, easy);
}
static inline CURLMsg *ccurl_multi_info_read(CURLM *multi, int *left) { return ccurl()->multi_info_read(multi, left); }
static inline CURLMcode ccurl_multi_socket_action(CURLM *multi, curl_socket_t socket, int events, int *running) {
  return ccurl()->multi_socket_action(multi, socket, events, running);
}
static inline struct curl_slist *ccurl_slist_append(struct curl_slist *list, const char *text) {
  return ccurl()->slist_append(list, text);
}
static inline void ccurl_slist_free_all(struct curl_slist *list) { ccurl()->slist_free_all(list); }
static inline CURLU *ccurl_url(void) { return ccurl()->url(); }
static inline void ccurl_url_cleanup(CURLU *url) { ccurl()->url_cleanup(url); }
static inline CURLUcode ccurl_url_get(CURLU *url, CURLUPart part, char **text, unsigned flags) {
  return ccurl()->url_get(url, part, text, flags);
}
static inline CURLUcode ccurl_url_set(CURLU *url, CURLUPart part, const char *text, unsigned flags) {
  return ccurl()->url_set(url, part, text, flags);
}

static inline CURLcode ccurl_set_number(CURL *easy, CURLoption option, long value) {
  return ccurl()->easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_size(CURL *easy, CURLoption option, curl_off_t value) {
  return ccurl()->easy_setopt(easy, option, value);
}

/// libcurl keeps a copy of the text.
static inline CURLcode ccurl_set_text(CURL *easy, CURLoption option, const char *value) {
  return ccurl()->easy_setopt(easy, option, value);
}

/// libcurl keeps the pointer.
static inline CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, const void *value) {
  return ccurl()->easy_setopt(easy, option, value);
}

/// The signature of CURLOPT_WRITEFUNCTION, CURLOPT_HEADERFUNCTION and CURLOPT_READFUNCTION.
typedef size_t (*ccurl_bytes_callback)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode ccurl_set_bytes_callback(CURL *easy, CURLoption option, ccurl_bytes_callback callback) {
  return ccurl()->easy_setopt(easy, option, callback);
}

static inline CURLcode ccurl_set_seek_callback(CURL *easy, curl_seek_callback callback) {
  return ccurl()->easy_setopt(easy, CURLOPT_SEEKFUNCTION, callback);
}

static inline CURLcode ccurl_set_prereq_callback(CURL *easy, curl_prereq_callback callback) {
  return ccurl()->easy_setopt(easy, CURLOPT_PREREQFUNCTION, callback);
}

static inline CURLcode ccurl_set_open_socket_callback(CURL *easy, curl_opensocket_callback callback) {
  return ccurl()->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, callback);
}

static inline CURLcode ccurl_set_close_socket_callback(CURL *easy, curl_closesocket_callback callback) {
  return ccurl()->easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, callback);
}

static inline CURLcode ccurl_get_number(CURL *easy, CURLINFO info, long *value) {
  return ccurl()->easy_getinfo(easy, info, value);
}

/// OpenSSL's session of the connection that the transfer is on; NULL where it has none, or another library does TLS.
static inline void *ccurl_openssl_session(CURL *easy) {
  struct curl_tlssessioninfo *session = NULL;
  if (ccurl()->easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || session == NULL) return NULL;
  return session->backend == CURLSSLBACKEND_OPENSSL ? session->internals : NULL;
}

/// A function of the OpenSSL that libcurl has loaded: we need no headers or library of it to build.
static inline void *ccurl_openssl_function(const char *name) { return dlsym(NULL, name); }

/// Whether the connection has bytes that were taken from its socket and that nobody has read.
static inline int ccurl_tls_has_pending(CURL *easy) {
  static int (*has_pending)(const void *session);
  void *session = ccurl_openssl_session(easy);
  if (session == NULL) return 0;
  if (has_pending == NULL) *(void **)&has_pending = ccurl_openssl_function("SSL_has_pending");
  return has_pending != NULL && has_pending(session);
}

/// Whether both sides have agreed on HTTP/2 for the connection that the transfer is on.
static inline int ccurl_is_http2(CURL *easy) {
  static void (*get_protocol)(const void *session, const unsigned char **name, unsigned *length);
  const unsigned char *name = NULL;
  unsigned length = 0;
  void *session = ccurl_openssl_session(easy);
  if (session == NULL) return 0;
  if (get_protocol == NULL) *(void **)&get_protocol = ccurl_openssl_function("SSL_get0_alpn_selected");
  if (get_protocol == NULL) return 0;
  get_protocol(session, &name, &length);
  return length == 2 && memcmp(name, "h2", 2) == 0;
}

static inline CURLcode ccurl_get_pointer(CURL *easy, CURLINFO info, void **value) {
  return ccurl()->easy_getinfo(easy, info, value);
}

static inline CURLMcode ccurl_multi_set_number(CURLM *multi, CURLMoption option, long value) {
  return ccurl()->multi_setopt(multi, option, value);
}

static inline CURLMcode ccurl_multi_set_pointer(CURLM *multi, CURLMoption option, void *value) {
  return ccurl()->multi_setopt(multi, option, value);
}

static inline CURLMcode ccurl_multi_set_socket_callback(CURLM *multi, curl_socket_callback callback) {
  return ccurl()->multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, callback);
}

static inline CURLMcode ccurl_multi_set_timer_callback(CURLM *multi, curl_multi_timer_callback callback) {
  return ccurl()->multi_setopt(multi, CURLMOPT_TIMERFUNCTION, callback);
}

/// The result in a message of kind CURLMSG_DONE.
static inline CURLcode ccurl_result(const CURLMsg *message) { return message->data.result; }
#endif
