#include "hypercopy/pipeline.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <exception>
#include <thread>

#include "hypercopy/retry.hpp"
#include "stopwatch.hpp"

namespace hypercopy {

namespace {

// Becomes readable when the last of the counted threads has ended.
class Finish {
 public:
  explicit Finish(unsigned threads) : fd_(::eventfd(0, EFD_CLOEXEC)), left_(threads) {}
  ~Finish() { ::close(fd_); }
  Finish(const Finish&) = delete;
  Finish& operator=(const Finish&) = delete;

  void thread_ended() {
    if (left_.fetch_sub(1) != 1) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
  std::atomic<unsigned> left_;
};

void add(TimeShares& sum, const TimeShares& share) {
  sum.reader_reading += share.reader_reading;
  sum.reader_splitting += share.reader_splitting;
  sum.reader_waiting += share.reader_waiting;
  sum.worker_encoding += share.worker_encoding;
  sum.worker_sending += share.worker_sending;
  sum.worker_waiting += share.worker_waiting;
}

class Pipeline {
 public:
  Pipeline(const PipelineOptions& options, const FeedOpener& open_feed, const StreamOpener& open_stream,
           Console& console, const Cancellation& cancellation, Cancellation& run_stop)
      : options_(options),
        open_feed_(open_feed),
        open_stream_(open_stream),
        console_(console),
        cancellation_(cancellation),
        run_stop_(run_stop),
        pool_(1 + queue_slots(options.jobs) + options.jobs, options.batch_bytes),
        queue_(queue_slots(options.jobs)),
        ledger_(options.inputs),
        wire_(options.wire),
        gate_(options.rejects != nullptr
                  ? std::make_unique<RejectGate>(*options.rejects, options.max_rejects, ledger_)
                  : nullptr),
        context_{.queue = queue_,
                 .ledger = ledger_,
                 .console = console,
                 .policy = options.policy,
                 .wire = wire_,
                 .retry_until = {run_stop},
                 .settle_until = {cancellation, Cancellation::Level::immediate},
                 .stop = [this] { stop(); },
                 .claims = options.claims,
                 .rejects = gate_.get(),
                 .chunks = options.chunks,
                 .destinations = options.destinations} {}

  PipelineOutcome run(PipelineWatch& watch) {
    Finish finish(options_.jobs + 1);
    std::vector<TimeShares> shares(options_.jobs + 1);
    std::vector<std::jthread> threads;
    threads.emplace_back([&] {
      guarded([&] { read_all(shares[0]); });
      finish.thread_ended();
    });
    for (unsigned number = 1; number <= options_.jobs; ++number) {
      threads.emplace_back([&, number] {
        guarded([&] { work(number, shares[number]); });
        finish.thread_ended();
      });
    }
    wait(finish, watch);
    threads.clear();
    while (const auto batch = queue_.drain()) ledger_.dropped(size_of(*batch));
    if (gate_ && read_everything_ && !ledger_.error()) {
      if (auto judged = gate_->judge_at_end(); !judged) ledger_.set_error(std::move(judged).error());
    }
    PipelineOutcome outcome{.totals = ledger_.totals(),
                            .inputs = ledger_.input_totals(),
                            .error = ledger_.error(),
                            .shares = {},
                            .wire = wire_.totals()};
    const LedgerTotals& totals = outcome.totals;
    outcome.interrupted = interrupted_;
    outcome.workers = options_.jobs - refused_;
    outcome.complete = read_everything_ && !outcome.error &&
                       totals.committed.records + totals.already_done.records + totals.skipped.records ==
                           totals.split.records;
    for (const auto& share : shares) add(outcome.shares, share);
    return outcome;
  }

 private:
  template <typename Body>
  void guarded(Body body) {
    try {
      body();
    } catch (const std::exception& exception) {
      fail_run(Error{.kind = ErrorKind::internal, .message = exception.what()});
    }
  }

  void stop() {
    context_.stopped = true;
    run_stop_.request(Cancellation::Level::graceful);
    queue_.cancel();
    pool_.cancel();
  }

  void fail_run(Error error) {
    ledger_.set_error(std::move(error));
    stop();
  }

  // The reader's thread.
  void read_all(TimeShares& share) {
    auto read = feed_workers(share);
    // Once the run was stopped, that the reader could not go on is only a consequence.
    if (!read && !context_.stopped) return fail_run(std::move(read).error());
    read_everything_ = !context_.stopped;
    context_.nothing_to_load = read_everything_ && options_.policy.copies_nothing &&
                               !context_.first_copy_sql.empty() && ledger_.totals().split.records == 0;
    queue_.close();
  }

  Status feed_workers(TimeShares& share) {
    const auto feed = open_feed_(FeedContext{
        .pool = pool_,
        .shares = share,
        .console = console_,
        .limits = {.batch_records = options_.batch_records, .total_records = options_.limit_records},
        .on_opened = [this](const InputFile& file) {
          if (file.index == 0) context_.first_copy_sql = file.copy_sql;
        }});
    while (!context_.stopped) {
      HYPERCOPY_ASSIGN(std::optional<Batch> batch, feed->next());
      if (!batch) return {};
      HYPERCOPY_TRY(hand_over(*batch, share));
    }
    return {};
  }

  Status hand_over(Batch& batch, TimeShares& share) {
    const BatchSize size = size_of(batch);
    ledger_.split(size);
    const Stopwatch watch(share.reader_waiting);
    if (queue_.push(batch)) return {};
    ledger_.dropped(size);
    return fail(ErrorKind::interrupted, "stopped");
  }

  // A worker's thread.
  void work(unsigned number, TimeShares& share) {
    auto stream = open_stream_(number);
    if (!stream) return refuse_worker(number, std::move(stream).error());
    Worker worker(context_, std::move(*stream), options_.kernel);
    worker.run();
    share = worker.shares();
  }

  void refuse_worker(unsigned number, Error error) {
    if (context_.stopped) return;
    const bool passes = is_transient(error) || error.sqlstate.starts_with("53");
    if (number == 1 || !passes) return fail_run(std::move(error));
    ++refused_;
    console_.log(LogLevel::warning,
                 fmt::format("worker {} gets no connection, going on with fewer: {}", number, error.message));
  }

  // The calling thread, until all others have ended.
  void wait(const Finish& finish, PipelineWatch& watch) {
    bool stopping = false;
    while (true) {
      std::array<pollfd, 2> waits{
          pollfd{.fd = finish.fd(), .events = POLLIN, .revents = 0},
          pollfd{.fd = stopping ? -1 : cancellation_.graceful_fd(), .events = POLLIN, .revents = 0}};
      const int ready = ::poll(waits.data(), waits.size(), static_cast<int>(watch.interval().count()));
      if (ready > 0 && waits[0].revents != 0) break;
      if (ready > 0 && waits[1].revents != 0) {
        stopping = true;
        interrupted_ = !context_.stopped;
        console_.log(LogLevel::info,
                     "interrupted: batches in flight are finished first (once more, and they are cancelled)");
        stop();
      }
      watch.tick(ledger_.totals());
    }
    watch.end(ledger_.totals());
  }

  const PipelineOptions& options_;
  const FeedOpener& open_feed_;
  const StreamOpener& open_stream_;
  Console& console_;
  const Cancellation& cancellation_;
  Cancellation& run_stop_;
  BatchPool pool_;
  BatchQueue queue_;
  Ledger ledger_;
  WireChoice wire_;
  std::unique_ptr<RejectGate> gate_;
  RunContext context_;
  std::atomic<unsigned> refused_{0};
  bool interrupted_ = false;      // the calling thread's
  bool read_everything_ = false;  // the reader's, until its thread has ended
};

}  // namespace

PipelineOutcome run_pipeline(const PipelineOptions& options, const FeedOpener& open_feed,
                             const StreamOpener& open_stream, Console& console,
                             const Cancellation& cancellation, Cancellation& run_stop, PipelineWatch& watch) {
  return Pipeline(options, open_feed, open_stream, console, cancellation, run_stop).run(watch);
}

}  // namespace hypercopy
