// SPDX-License-Identifier: MIT
// What each executable file is: a call of its main in the shared library. The Makefile says which.
void PROGRAM_MAIN(void);

int main(void) { PROGRAM_MAIN(); }
