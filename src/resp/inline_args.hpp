#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anteroom::resp {

/// Bytes of an argument, as an offset: what holds them may move before they are needed.
struct Slice {
  std::size_t begin;
  std::size_t size;
};

/// Splits one inline request (without its line end) as Redis's sdssplitargs does: arguments are separated by white
/// space; "double quotes" know \n \r \t \b \a and \xHH, 'single quotes' know \' only; a closing quote must end the
/// argument. Replaces `unquoted` by the arguments' bytes and `slices` by where each one is in it. False when a quote is
/// not closed or is followed by more text. REQUIRES: no NUL in `line`, where sdssplitargs would stop.
[[nodiscard]] bool split_inline(std::string_view line, std::string& unquoted, std::vector<Slice>& slices);

}  // namespace anteroom::resp
