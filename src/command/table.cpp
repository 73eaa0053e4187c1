#include "command/table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/ascii.hpp"
#include "base/check.hpp"
#include "command/table_data.hpp"

namespace anteroom::command {
namespace {

constexpr std::uint64_t every_byte(std::uint8_t byte) { return byte * 0x0101010101010101ULL; }

/// Eight bytes to lower case at once. Adding to the low seven bits of a byte cannot reach the next byte; bit 7 of each
/// then tells whether the byte is past a bound. Bytes above 127 are no letters.
constexpr std::uint64_t lower_word(std::uint64_t word) {
  const std::uint64_t low = word & every_byte(0x7f);
  const std::uint64_t from_a = low + every_byte(0x80 - 'A');
  const std::uint64_t past_z = low + every_byte(0x80 - 'Z' - 1);
  const std::uint64_t is_upper = from_a & ~past_z & ~word & every_byte(0x80);
  return word | (is_upper >> 2);
}
static_assert(lower_word(0x415a405b617ac100ULL) == 0x617a405b617ac100ULL);

/// The first `size` bytes, at most eight, and zeros. Reads that overlap take the place of a copy, which the word would
/// have to wait for.
inline std::uint64_t load_word(const char* from, std::size_t size) {
  static_assert(std::endian::native == std::endian::little, "a shift by 8 must mean the next byte");
  if (size >= 8) {
    std::uint64_t word;
    std::memcpy(&word, from, 8);
    return word;
  }
  if (size >= 4) {
    std::uint32_t head;
    std::uint32_t tail;
    std::memcpy(&head, from, 4);
    std::memcpy(&tail, from + size - 4, 4);
    return head | (std::uint64_t{tail} << (8 * (size - 4)));
  }
  if (size == 0) return 0;
  const auto byte = [from](std::size_t at) { return std::uint64_t{static_cast<unsigned char>(from[at])} << (8 * at); };
  return byte(0) | byte(size / 2) | byte(size - 1);
}

constexpr std::size_t kShortNameBytesMax = 8;

/// Lower case for letters, of which each is met by itself and its capital only. Other bytes become something else, so
/// this tells nothing but whether a name of letters is meant. Never 0.
constexpr std::uint64_t short_word(std::uint64_t word) { return word | every_byte(0x20); }

bool is_short_name(std::string_view name) {
  return name.size() <= kShortNameBytesMax && std::ranges::all_of(name, [](char c) { return c >= 'a' && c <= 'z'; });
}

bool is_lower_name(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return !base::is_space(c) && c == base::to_lower(c); });
}

bool arity_fits(int arity, std::size_t args) noexcept {
  return arity < 0 ? args >= static_cast<std::size_t>(-arity) : args == static_cast<std::size_t>(arity);
}

}  // namespace

std::expected<Table, std::string> Table::build() { return build(built_in_rows()); }

std::expected<Table, std::string> Table::build(std::span<const Facts> rows) {
  if (rows.size() >= kNone) return std::unexpected("command table: too many commands");
  Table table;
  table.rows_.assign(rows.begin(), rows.end());
  table.slots_.resize(std::bit_ceil(rows.size() * 4 + 4));
  table.short_slots_.resize(table.slots_.size());
  for (std::size_t id = 0; id < rows.size(); ++id) {
    if (auto inserted = table.insert(static_cast<std::uint16_t>(id)); !inserted) {
      return std::unexpected("command table: " + inserted.error() + " '" + std::string(rows[id].name) + "'");
    }
  }
  return table;
}

std::expected<void, std::string> Table::insert(std::uint16_t id) {
  Facts& facts = rows_[id];
  facts.id = id;
  facts.is_container = false;
  std::string_view own_name = facts.name;
  std::uint16_t container = kNone;
  if (const std::size_t bar = own_name.find('|'); bar != std::string_view::npos) {
    // A container that comes later is not in the slots yet, so no subcommand is ever its own container.
    const Facts* const parent = lookup(own_name.substr(0, bar), kNone);
    if (parent == nullptr) return std::unexpected("no container before");
    container = parent->id;
    rows_[container].is_container = true;
    own_name.remove_prefix(bar + 1);
  }
  Name name;
  if (!is_lower_name(own_name) || !fold(own_name, container, name)) return std::unexpected("bad name");
  std::size_t at = home(name);
  for (; slots_[at].id != kNone; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].name == name) return std::unexpected("duplicate");
  }
  slots_[at] = {name, id};
  if (container == kNone && is_short_name(own_name)) insert_short(facts);
  return {};
}

void Table::insert_short(const Facts& facts) {
  const std::uint64_t word = short_word(load_word(facts.name.data(), facts.name.size()));
  std::size_t at = short_home(word);
  while (short_slots_[at].word != 0) at = (at + 1) & (short_slots_.size() - 1);
  short_slots_[at] = {word, facts.id};
}

// False if no name is that long. An embedded NUL differs from the filling by `size`.
bool Table::fold(std::string_view text, std::uint16_t container, Name& out) noexcept {
  const std::size_t size = text.size();
  if (size > kNameBytesMax) return false;
  out.words[0] = lower_word(load_word(text.data(), size));
  out.words[1] = size > 8 ? lower_word(load_word(text.data() + 8, size - 8)) : 0;
  out.words[2] = size > 16 ? lower_word(load_word(text.data() + 16, size - 16)) : 0;
  out.container = container;
  out.size = static_cast<std::uint16_t>(size);
  return true;
}

// No secret is needed: what is in the table is fixed, so clients cannot make a chain longer, only probe it. The product
// mixes upwards, so the index is taken from its upper half.
std::size_t Table::home(const Name& name) const noexcept {
  std::uint64_t mixed = (name.words[0] + name.container) * 0x9e3779b97f4a7c15ULL;
  mixed = (mixed ^ (mixed >> 32) ^ name.words[1] ^ std::rotl(name.words[2], 29)) * 0xd6e8feb86659fd93ULL;
  return (mixed >> 32) & (slots_.size() - 1);
}

std::size_t Table::short_home(std::uint64_t word) const noexcept {
  return (word * 0x9e3779b97f4a7c15ULL >> 32) & (short_slots_.size() - 1);
}

// The filling of a word could be meant by spaces, which the size tells.
const Facts* Table::lookup_command(std::string_view text) const noexcept {
  if (text.size() <= kShortNameBytesMax) [[likely]] {
    const std::uint64_t word = short_word(load_word(text.data(), text.size()));
    for (std::size_t at = short_home(word); short_slots_[at].word != 0; at = (at + 1) & (short_slots_.size() - 1)) {
      if (short_slots_[at].word != word) continue;
      const Facts& facts = rows_[short_slots_[at].id];
      if (facts.name.size() == text.size()) return &facts;
    }
  }
  return lookup(text, kNone);
}

const Facts* Table::lookup(std::string_view text, std::uint16_t container) const noexcept {
  Name name;
  if (!fold(text, container, name)) return nullptr;
  for (std::size_t at = home(name); slots_[at].id != kNone; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].name == name) return &rows_[slots_[at].id];
  }
  return nullptr;
}

Lookup Table::find(std::span<const std::string_view> args) const noexcept {
  ANTEROOM_CHECK(!args.empty());
  const Facts* facts = lookup_command(args[0]);
  if (facts == nullptr || facts->has(kOnlySentinel)) return {};
  if (facts->is_container && args.size() > 1) {
    const Facts* const subcommand = lookup(args[1], facts->id);
    if (subcommand == nullptr) return {.match = Match::kUnknownSubcommand, .is_by_name = false, .facts = facts};
    const bool fits = arity_fits(subcommand->arity, args.size());
    return {.match = fits ? Match::kFound : Match::kWrongArity, .is_by_name = false, .facts = subcommand};
  }
  return {.match = arity_fits(facts->arity, args.size()) ? Match::kFound : Match::kWrongArity, .facts = facts};
}

const Facts* Table::find_name(std::string_view name) const noexcept {
  const std::size_t bar = name.find('|');
  const Facts* const facts = lookup(name.substr(0, bar), kNone);
  if (facts == nullptr || bar == std::string_view::npos) return facts;
  return lookup(name.substr(bar + 1), facts->id);
}

}  // namespace anteroom::command
