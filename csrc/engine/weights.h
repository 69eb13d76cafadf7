/* The network's weights, as csrc/engine/net.c reads them: what
** spec/bench/weights has fitted, part of the program. */

#ifndef CAMB_ENGINE_WEIGHTS_H
#define CAMB_ENGINE_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

extern const uint8_t weights_begin[], weights_end[];

#endif
