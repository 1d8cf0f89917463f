/* SPDX-License-Identifier: GPL-2.0-only */
/* "helix-exportd token": prints a new token, with no server running. */
#ifndef HELIX_TOKEN_COMMAND_H
#define HELIX_TOKEN_COMMAND_H

/* @argv[0] is "token". The exit status. */
int token_command(int argc, char **argv);

#endif
