// Size text: bytes for people.
#pragma once

#include <stdint.h>

#define SIZE_TEXT_MAX 24

// "512.3M", of 1024. Returns `text`.
const char *size_format(int64_t bytes, char text[static SIZE_TEXT_MAX]);
