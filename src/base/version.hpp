#pragma once

#include <string_view>

namespace anteroom::base {

/// What `anteroom --version` and INFO report. Raised by a release and nowhere else.
inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace anteroom::base
