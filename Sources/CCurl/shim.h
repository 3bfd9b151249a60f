// SPDX-License-Identifier: MIT
// libcurl, and what of it Swift can't call: functions that take any number of arguments, once for each type of theirs.
#ifndef CCURL_SHIM_H
#define CCURL_SHIM_H
#include <curl/curl.h>
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static inline CURLcode ccurl_set_number(CURL *easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_size(CURL *easy, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(easy, option, value);
}

/// libcurl keeps a copy of the text.
static inline CURLcode ccurl_set_text(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value);
}

/// libcurl keeps the pointer.
static inline CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, const void *value) {
  return curl_easy_setopt(easy, option, value);
}

/// The signature of CURLOPT_WRITEFUNCTION, CURLOPT_HEADERFUNCTION and CURLOPT_READFUNCTION.
typedef size_t (*ccurl_bytes_callback)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode ccurl_set_bytes_callback(CURL *easy, CURLoption option, ccurl_bytes_callback callback) {
  return curl_easy_setopt(easy, option, callback);
}

static inline CURLcode ccurl_set_seek_callback(CURL *easy, curl_seek_callback callback) {
  return curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, callback);
}

static inline CURLcode ccurl_set_prereq_callback(CURL *easy, curl_prereq_callback callback) {
  return curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, callback);
}

static inline CURLcode ccurl_set_open_socket_callback(CURL *easy, curl_opensocket_callback callback) {
  return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, callback);
}

static inline CURLcode ccurl_set_close_socket_callback(CURL *easy, curl_closesocket_callback callback) {
  return curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, callback);
}

static inline CURLcode ccurl_get_number(CURL *easy, CURLINFO info, long *value) {
  return curl_easy_getinfo(easy, info, value);
}

/// OpenSSL's session of the connection that the transfer is on; NULL where it has none, or another library does TLS.
static inline void *ccurl_openssl_session(CURL *easy) {
  struct curl_tlssessioninfo *session = NULL;
  if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || session == NULL) return NULL;
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
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLMcode ccurl_multi_set_number(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

static inline CURLMcode ccurl_multi_set_pointer(CURLM *multi, CURLMoption option, void *value) {
  return curl_multi_setopt(multi, option, value);
}

static inline CURLMcode ccurl_multi_set_socket_callback(CURLM *multi, curl_socket_callback callback) {
  return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, callback);
}

static inline CURLMcode ccurl_multi_set_timer_callback(CURLM *multi, curl_multi_timer_callback callback) {
  return curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, callback);
}

/// The result in a message of kind CURLMSG_DONE.
static inline CURLcode ccurl_result(const CURLMsg *message) { return message->data.result; }
#endif
