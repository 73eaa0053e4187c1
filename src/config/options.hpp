#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "config/listener_options.hpp"
#include "config/url.hpp"

/// The configuration of the front-end as plain values. Member initialisers are the defaults; names, ranges and the
/// words of the reference are in descriptors.cpp and cache_descriptors.cpp, one descriptor for each member. `anteroom
/// options` prints them all. Filled once by load() and read-only afterwards, so every thread may read it.
namespace anteroom::config {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

enum class Consistency : std::uint8_t { kTtl, kTracking };
enum class Eviction : std::uint8_t { kLru, kS3Fifo };
enum class MgetMode : std::uint8_t { kSnapshot, kPerKey, kOff };
enum class HashCommands : std::uint8_t { kAuto, kOn, kOff };
enum class AuthMode : std::uint8_t { kNone, kProxy, kPassthrough };
enum class DeniedAs : std::uint8_t { kNoPerm, kHidden };

struct ListenOptions {
  std::vector<std::string> bind{"127.0.0.1"};  ///< addresses; "*" is every address of the machine
  std::uint16_t port = 8001;                   ///< 0: no TCP listener
  std::string unixsocket;                      ///< path; empty: no UNIX listener
  std::uint32_t unixsocketperm = 0700;         ///< mode bits
  int backlog = 511;
  Seconds tcp_keepalive{300};  ///< 0: off
  std::uint32_t maxclients = 10'000;
  Seconds idle_timeout{0};  ///< 0: never

  // One listener with TLS, at the addresses of `bind`.
  std::uint16_t tls_port = 0;  ///< 0: none
  std::string tls_cert;
  std::string tls_key;
  std::string tls_ca;
  ClientCertificates tls_verify_client = ClientCertificates::kNone;

  std::vector<ListenerOptions> listeners;  ///< beside those that the members above make; see all_listeners()
};

/// Which protocol the links speak: that of each client, or RESP3 with replies converted for clients of RESP2.
enum class LinkProtocol : std::uint8_t { kMatch, kResp3 };

struct UpstreamOptions {
  Upstream target;  ///< where to go and as whom, from all options that have a say in it
  LinkProtocol protocol = LinkProtocol::kMatch;
  Milliseconds connect_timeout{1'000};
  Milliseconds handshake_timeout{1'000};
  Milliseconds response_timeout{3'000};
  Milliseconds reconnect_base{50};
  Milliseconds reconnect_cap{2'000};
  std::uint64_t queue_bytes_max = 64ULL * 1024 * 1024;  ///< per link
  std::uint32_t queue_requests_max = 65'536;            ///< per link
  Milliseconds dns_timeout{1'000};
  std::uint32_t pinned_links_min = 0;      ///< per worker, unused
  std::uint32_t pinned_links_max = 64;     ///< per worker
  Milliseconds pinned_wait_max{1'000};     ///< 0: as long as it takes
  Milliseconds pinned_idle_max{60'000};    ///< 0: never closed for that
  Milliseconds pinned_age_max{1'800'000};  ///< 0: never closed for that

  // For rediss:// and quic:// only.
  std::string tls_ca;    ///< empty: whom the system trusts
  std::string tls_cert;  ///< empty: none
  std::string tls_key;
  std::string tls_server_name;  ///< empty: the URL's host
  bool tls_verify = true;
  Milliseconds tls_timeout{2'000};

  /// What `target` is made of. load() leaves no password here.
  struct Given {
    std::string url = "redis://localhost:6379";
    std::string user;
    std::string password;
    std::string password_file;
    std::string redis_hostname;
    std::int32_t redis_database = 0;
  } given;
};

struct CacheOptions {
  bool enabled = true;
  std::uint64_t capacity = 1'024;    ///< entries
  std::uint64_t capacity_bytes = 0;  ///< 0: no limit in bytes
  Eviction eviction = Eviction::kLru;
  Milliseconds period{100};  ///< between two reclamations of expired entries
  std::uint64_t max_entry_bytes = 1024 * 1024;

  // What is cached.
  std::vector<std::string> include;  ///< key globs; empty: every key
  std::vector<std::string> exclude;  ///< key globs; beats `include`
  MgetMode mget = MgetMode::kSnapshot;
  bool result_commands = true;
  HashCommands hash_commands = HashCommands::kAuto;  ///< only with `result_commands`

  // How it learns of changes.
  Consistency consistency = Consistency::kTracking;
  Milliseconds fence_interval{250};
  Milliseconds max_staleness{1'000};   ///< at least twice `fence_interval`, so that one late answer does no harm
  Milliseconds hot_write_bypass{100};  ///< 0: off

  // How long it lasts.
  Milliseconds ttl{300'000};
  std::uint32_t ttl_jitter_percent = 10;  ///< `ttl` is shortened by up to so much of it
  Milliseconds negative_ttl{10'000};      ///< 0: a missing key is not cached
  Milliseconds min_ttl{5};                ///< a key that expires sooner is not cached
  Milliseconds stale_while_revalidate{0};
  Milliseconds stale_if_error{0};

  // How it is fetched.
  std::uint32_t coalesce_max_waiters = 65'536;
  Milliseconds fill_timeout{3'000};
};

struct LimitOptions {
  std::uint64_t query_buffer_bytes = 1024ULL * 1024 * 1024;     ///< per client
  std::uint64_t output_buffer_bytes = 1024ULL * 1024 * 1024;    ///< per client; beyond it the client is closed
  std::uint64_t pubsub_output_bytes = 32ULL * 1024 * 1024;      ///< the same of a subscriber or monitor
  std::uint64_t pubsub_output_soft_bytes = 8ULL * 1024 * 1024;  ///< the same, for longer than the time below
  Milliseconds pubsub_output_soft_time{60'000};
  std::uint64_t output_pause_bytes = 1024 * 1024;  ///< per client; beyond it the client is not read
  std::uint32_t pipeline_depth = 10'000;           ///< replies owed to a client; beyond it it is not read
  std::uint32_t requests_per_turn = 256;
  std::uint64_t inline_bytes = 64 * 1024;
  std::int64_t args = 2'147'483'647;
  std::int64_t bulk_bytes = 512LL * 1024 * 1024;
};

/// One entry of auth.users, from the file only. Holds secrets: print it with masked().
struct AuthUser {
  std::string name{};
  std::string rules{};  ///< Redis's access rules, judged by access/
  std::string password_file{};
  std::string upstream_user{};
  std::string upstream_password_file{};
  std::string password{};           ///< what `password_file` holds
  std::string upstream_password{};  ///< given, or what `upstream_password_file` holds

  /// Without what is secret: passwords are `***`, and so are passwords and hashes in the rules.
  [[nodiscard]] AuthUser masked() const;
  bool operator==(const AuthUser&) const = default;
};

struct AuthOptions {
  AuthMode mode = AuthMode::kNone;
  std::string password;       ///< of the user `default`, who then may do everything; given, or what the file holds
  std::string password_file;  ///< empty: none
  std::vector<AuthUser> users;
  std::uint32_t failures_max = 10;  ///< from one address in `failure_window`; 0: no limit
  Milliseconds failure_window{60'000};
  std::int64_t preauth_args_max = 10;
  std::int64_t preauth_bulk_bytes = 16 * 1024;
  Milliseconds preauth_timeout{60'000};  ///< 0: no limit
};

struct CommandOptions {
  /// Lower case; a container and its subcommand with one space between. By default what stops the server, makes it
  /// another one's replica or another part of a cluster, loads code into it, or is there for those who debug it. No
  /// application needs these, and each takes the server away from everybody.
  ///
  /// Not denied, though only administrators use them: BGREWRITEAOF, BGSAVE and SAVE save what is there, as backups do;
  /// MIGRATE, MOVE and SWAPDB are writes of data; CLUSTER COUNT-FAILURE-REPORTS, REPLICAS and SLAVES only show, and
  /// CLUSTER SAVECONFIG changes nothing. Who should not have them is a matter of users and their rights.
  std::vector<std::string> deny{
      // the process, and what is loaded into it
      "shutdown", "module load", "module loadex", "module unload",
      // replication, and what a primary or a cluster's nodes say to each other
      "replicaof", "slaveof", "sync", "psync", "replconf", "failover", "restore-asking",
      // whose hash slots are whose
      "cluster addslots", "cluster addslotsrange", "cluster bumpepoch", "cluster delslots", "cluster delslotsrange",
      "cluster failover", "cluster flushslots", "cluster forget", "cluster meet", "cluster replicate", "cluster reset",
      "cluster set-config-epoch", "cluster setslot",
      // DEBUG and tests of Redis's own: they can crash the server, or hold it up for as long as they like
      "debug", "pfdebug", "pfselftest"};
  DeniedAs denied_as = DeniedAs::kNoPerm;
  std::vector<std::string> rename;  ///< "old=new" in lower case, or "old=": like rename-command of Redis
};

struct LogOptions {
  log::Level level = log::Level::kInfo;
  log::Format format = log::Format::kLogfmt;
  std::string file;           ///< empty: standard error
  std::uint32_t every_n = 0;  ///< one access log line for every so many commands; 0: none
};

enum class Congestion : std::uint8_t { kCubic, kBbr, kReno };

/// Of quic:// upstreams and of the gateway.
struct QuicOptions {
  Congestion congestion = Congestion::kCubic;
  bool pacing = true;
  std::uint64_t stream_window_bytes = 256 * 1024;
  std::uint64_t connection_window_bytes = 4 * 1024 * 1024;
  std::uint64_t send_buffer_bytes = 512 * 1024;  ///< per stream
  std::uint32_t streams_max = 1024;              ///< per connection
  std::uint32_t lanes = 16;                      ///< streams that the sessions of a worker share
  Milliseconds handshake_timeout{2'000};
  Milliseconds idle_timeout{30'000};
  Milliseconds silence_timeout{5'000};  ///< 0: never
  Milliseconds keep_alive{10'000};      ///< 0: never
  bool early_data = false;              ///< both sides have to want it
  std::uint32_t datagram_bytes = 32'000;
  bool offload = true;
};

/// `anteroom gateway`. Its upstream, log and workers are those of everybody.
struct GatewayOptions {
  std::vector<std::string> listen{"127.0.0.1:6379"};
  std::string tls_client_ca;  ///< empty: clients need no certificate
  bool tls_self_signed = false;
  bool always_validates = false;
  std::uint32_t connections_max = 10'000;
  std::uint32_t connections_per_address_max = 1'000;  ///< per worker, as the others; of listeners of type quic too
  std::uint32_t streams_max = 10'000;                 ///< per worker
};

struct Options {
  ListenOptions listen;
  UpstreamOptions upstream;
  CacheOptions cache;
  LimitOptions limits;
  CommandOptions commands;
  AuthOptions auth;
  LogOptions log;
  QuicOptions quic;
  GatewayOptions gateway;
  std::uint32_t workers = 0;  ///< 0: one for each core
  Milliseconds shutdown_timeout{5'000};

  std::string config_file;  ///< the configuration file that was read; empty: none
  /// JSON path to where the value comes from, as "flag --port", "environment PORT", "anteroom.json: listen.port". Paths
  /// that are not here have their default.
  std::map<std::string, std::string, std::less<>> sources;
};

/// "listen.port (from flag --port)", for a message about a value that turns out not to work: a port in use, a file that
/// cannot be opened.
[[nodiscard]] std::string name_and_source(const Options& options, std::string_view path);

}  // namespace anteroom::config
