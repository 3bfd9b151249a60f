// SPDX-License-Identifier: MIT
// The description of the HTTP interface (openapi.json beside this), as bytes in the program.
#ifndef COPENAPI_H
#define COPENAPI_H

/// OpenAPI 3.1, UTF-8, without a NUL at its end.
const unsigned char *copenapi_start(void);
/// Its length in bytes.
long copenapi_length(void);

#endif
