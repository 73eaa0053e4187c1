#include "main/options.hpp"

#include <cstdio>

#include "config/describe.hpp"

namespace anteroom::app {

int run_options() { return std::fputs(config::options_reference().c_str(), stdout) < 0 ? 1 : 0; }

}  // namespace anteroom::app
