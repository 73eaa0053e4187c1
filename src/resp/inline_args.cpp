#include "resp/inline_args.hpp"

#include "base/ascii.hpp"

namespace anteroom::resp {
namespace {

constexpr char unescape(char c) noexcept {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

class Splitter {
 public:
  Splitter(std::string_view line, std::string& out) : rest_(line), out_(out) {}

  [[nodiscard]] bool skip_space() noexcept {
    while (!rest_.empty() && base::is_space(rest_.front())) rest_.remove_prefix(1);
    return !rest_.empty();
  }

  /// One argument, which may begin unquoted and end quoted.
  [[nodiscard]] bool take_argument() {
    while (!rest_.empty()) {
      const char c = take();
      switch (c) {
        // Not is_space(): sdssplitargs lets \v and \f stand inside an argument, though it skips them before one.
        case ' ':
        case '\n':
        case '\r':
        case '\t':
          return true;
        case '"':
          return take_double_quoted() && is_at_argument_end();
        case '\'':
          return take_single_quoted() && is_at_argument_end();
        default:
          out_.push_back(c);
      }
    }
    return true;
  }

 private:
  char take() noexcept {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  [[nodiscard]] bool is_at_argument_end() const noexcept { return rest_.empty() || base::is_space(rest_.front()); }

  [[nodiscard]] bool take_double_quoted() {
    while (!rest_.empty()) {
      const char c = take();
      if (c == '"') return true;
      if (c != '\\' || rest_.empty()) {
        out_.push_back(c);
      } else if (const int byte = hex_escape(); byte >= 0) {
        out_.push_back(static_cast<char>(byte));
        rest_.remove_prefix(3);
      } else {
        out_.push_back(unescape(take()));
      }
    }
    return false;
  }

  [[nodiscard]] bool take_single_quoted() {
    while (!rest_.empty()) {
      const char c = take();
      if (c == '\'') return true;
      if (c == '\\' && rest_.starts_with('\'')) {
        out_.push_back(take());
      } else {
        out_.push_back(c);
      }
    }
    return false;
  }

  /// The byte that "xHH" at the front stands for, or -1.
  [[nodiscard]] int hex_escape() const noexcept {
    if (rest_.size() < 3 || rest_[0] != 'x') return -1;
    const int high = base::hex_value(rest_[1]);
    const int low = base::hex_value(rest_[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }

  std::string_view rest_;
  std::string& out_;
};

}  // namespace

bool split_inline(std::string_view line, std::string& unquoted, std::vector<Slice>& slices) {
  unquoted.clear();
  slices.clear();
  Splitter splitter(line, unquoted);
  while (splitter.skip_space()) {
    const std::size_t begin = unquoted.size();
    if (!splitter.take_argument()) return false;
    slices.push_back({begin, unquoted.size() - begin});
  }
  return true;
}

}  // namespace anteroom::resp
