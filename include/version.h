// Version: what this build calls itself.
#pragma once

#define REEVE_VERSION "0.1.0"
