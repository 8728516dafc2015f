// Model list: names of models with spaces between them, as Models= and StepDown= have them. Pure.
#pragma once

#include "slice.h"

#include <stdbool.h>

// Whether `model` is on the list, with or without "[1m]", which asks for a longer context and is no
// part of the name.
bool model_list_has(const char *list, struct slice model);

// Takes the next name off *list. False at its end.
bool model_list_next(const char **list, struct slice *model);
