#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "command/facts.hpp"
#include "command/table.hpp"

namespace anteroom::command {

/// What a server's own COMMAND says of the commands that the compiled-in table lacks: those of modules and of newer
/// servers. The table's facts win, because handlers depend on them. Where the server says too little, or what no
/// KeySpec can hold, a command counts as a write of anything. Immutable; any thread; owns all that it hands out.
class Overlay {
 public:
  /// What such a command may be sent on.
  enum class Link : std::uint8_t {
    kShared,
    kPinned,  ///< it may block for as long as it likes
    kNone,    ///< it changes the connection (a subscription, a transaction, a login), of which we would know nothing
  };
  /// `facts` have no id of the Table: they are for key_extraction.hpp only.
  struct Entry {
    Facts facts;
    Link link = Link::kShared;
  };

  /// Larger replies are refused. That of Redis 7.0 has 90 kB; one of 1 MB makes a tree of some 30 MB for a moment.
  static constexpr std::size_t kReplyBytesMax = 1024 * 1024;
  static constexpr std::size_t kNameBytesMax = 64;

  /// Of a whole reply to COMMAND, in RESP2 or RESP3. An element that is not as Redis makes them is left out, which
  /// leaves its command unknown; what is no array at all is an error.
  [[nodiscard]] static std::expected<Overlay, std::string> parse(std::string_view reply, const Table& known);

  /// What the server says of this request's command or subcommand; null if nothing, or if the table knows it. Does not
  /// allocate. `args` as in Table::find(); they are not counted, which the server does.
  [[nodiscard]] const Entry* find(std::span<const std::string_view> args) const noexcept;
  /// The server has a command of this name, known to the table or not; no subcommands.
  [[nodiscard]] bool knows(std::string_view name) const noexcept;
  /// Commands and subcommands that find() knows.
  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  struct Row {
    Entry entry;
    std::vector<KeySpec> keys;
  };
  struct Reader;

  // Their nodes stay where they are, so names and keys can be viewed in them.
  std::unordered_map<std::string, Row, Hash, std::equal_to<>> rows_;
  std::unordered_set<std::string, Hash, std::equal_to<>> names_;
};

}  // namespace anteroom::command
