// SPDX-License-Identifier: MIT
#include "COpenAPI.h"

// SwiftPM's own way to embed a file is an array of numbers in Swift, which takes the compiler a minute for this one.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char text[] = {
#embed "openapi.json"
};

const unsigned char *copenapi_start(void) { return text; }

long copenapi_length(void) { return sizeof text; }
