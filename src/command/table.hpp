#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command/facts.hpp"

namespace anteroom::command {

enum class Match : std::uint8_t { kFound, kUnknownCommand, kUnknownSubcommand, kWrongArity };

/// `facts` is null after kUnknownCommand, the container's after kUnknownSubcommand, else the command's.
struct Lookup {
  Match match = Match::kUnknownCommand;
  bool is_by_name = true;  ///< and the number of arguments: another request with the same has the same Lookup
  const Facts* facts = nullptr;
};

/// The commands of Redis, found by name. Built once, then immutable: any thread, no lock.
/// Facts stay where they are when the table is moved, and live as long as it does.
///
/// Arguments are those of a request, the command's name first, as the client sent them: any bytes, any case.
class Table {
 public:
  /// Longest command or subcommand name.
  static constexpr std::size_t kNameBytesMax = 24;

  /// The commands known at compile time. An error is a fault in the program's own data: do not start.
  [[nodiscard]] static std::expected<Table, std::string> build();
  /// Of `rows`; a container must come before its subcommands. Ids are given by position, whatever the rows say.
  /// Errors name the row: a duplicate, a name too long or not in lower case, a subcommand without its container.
  [[nodiscard]] static std::expected<Table, std::string> build(std::span<const Facts> rows);

  /// Finds command or subcommand and checks the number of arguments, as Redis does before it runs anything. What only
  /// a Sentinel knows is unknown here, as it is to a data server. Does not allocate. `args` has at least one element.
  [[nodiscard]] Lookup find(std::span<const std::string_view> args) const noexcept;
  /// By Facts::name ("get", "config|get", "sentinel|masters"), in any case; null if there is none.
  [[nodiscard]] const Facts* find_name(std::string_view name) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] const Facts& at(std::size_t id) const noexcept { return rows_[id]; }
  [[nodiscard]] auto begin() const noexcept { return rows_.begin(); }
  [[nodiscard]] auto end() const noexcept { return rows_.end(); }

 private:
  /// A name in lower case, zero-filled, so that one compare of three words tells two names apart.
  struct Name {
    std::array<std::uint64_t, kNameBytesMax / 8> words{};
    std::uint16_t container = kNone;
    std::uint16_t size = 0;
    bool operator==(const Name&) const = default;
  };
  struct Slot {
    Name name;
    std::uint16_t id = kNone;
  };
  /// A command whose name is so short, and of letters only, that it is one word: most requests begin with one.
  struct ShortSlot {
    std::uint64_t word = 0;  // 0: none
    std::uint16_t id = kNone;
  };
  static constexpr std::uint16_t kNone = 0xffff;

  Table() = default;
  [[nodiscard]] static bool fold(std::string_view text, std::uint16_t container, Name& out) noexcept;
  [[nodiscard]] std::size_t home(const Name& name) const noexcept;
  [[nodiscard]] const Facts* lookup_command(std::string_view text) const noexcept;
  [[nodiscard]] const Facts* lookup(std::string_view text, std::uint16_t container) const noexcept;
  [[nodiscard]] std::size_t short_home(std::uint64_t word) const noexcept;
  void insert_short(const Facts& facts);
  [[nodiscard]] std::expected<void, std::string> insert(std::uint16_t id);

  std::vector<Facts> rows_;             // by id
  std::vector<Slot> slots_;             // open addressing; a power of two, at most a quarter full
  std::vector<ShortSlot> short_slots_;  // likewise
};

/// Error texts of Redis 7.0.15 for requests that match no command, without the leading '-' and the line end. Long
/// arguments are cut as Redis cuts them; line ends become spaces. `args` as given to find().
[[nodiscard]] std::string unknown_command_error(std::span<const std::string_view> args);
[[nodiscard]] std::string unknown_subcommand_error(std::span<const std::string_view> args);
[[nodiscard]] std::string wrong_arity_error(const Facts& facts);

}  // namespace anteroom::command
