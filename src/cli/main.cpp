#include "cli/cli.h"

int main(int argc, char** argv) { return sori::run({argv + 1, argv + argc}); }
