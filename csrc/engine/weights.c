/* The network's weights: the assembler takes in the file beside this one. */

#include "engine/net.h"

#ifdef __APPLE__
#define SECTION ".const_data"
#define SYMBOL(name) "_" #name
#define HIDDEN(name) ".private_extern _" #name
#define AGAIN ".text"
#else
#define SECTION ".section .rodata"
#define SYMBOL(name) #name
#define HIDDEN(name) ".hidden " #name
#define AGAIN ".text"
#endif
#define GLOBAL(name)                                                           \
  ".globl " SYMBOL(name) "\n" HIDDEN(name) "\n" SYMBOL(name) ":\n"

__asm__(SECTION "\n.balign 16\n" GLOBAL(
  weights_begin) ".incbin "
                 "\"csrc/engine/weights.bin\"\n" GLOBAL(
                   weights_end) ".byte 0\n" AGAIN "\n");
