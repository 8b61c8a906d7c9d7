// The C interface: environments, and runs that nobody waits for.
#include <sys/stat.h>

#include <condition_variable>
#include <deque>
#include <thread>

#include "runtime/base/digest.h"
#include "runtime/session/c_api.h"

using namespace tessera;
using namespace tessera::c_api;

namespace tessera::c_api {

/// Threads for runs that nobody waits for, and the runs in their order.
class Runner {
 public:
  explicit Runner(int threads) : most_(static_cast<size_t>(threads)) {}
  ~Runner() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void add(std::function<void()> run) {
    const std::lock_guard lock(mutex_);
    runs_.push_back(std::move(run));
    try {
      if (idle_ < runs_.size() && threads_.size() < most_) threads_.emplace_back([this] { work(); });
    } catch (...) {  // the others get to it
      if (threads_.empty()) {
        runs_.pop_back();
        fail(Error::Kind::memory, "no thread can be started for the run");
      }
    }
    wake_.notify_one();
  }

  /// Whether this thread is one of them.
  bool is_inside() const {
    const std::lock_guard lock(mutex_);
    return std::any_of(threads_.begin(), threads_.end(),
                       [](const std::thread& thread) { return thread.get_id() == std::this_thread::get_id(); });
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      wake_.wait(lock, [this] { return ends_ || !runs_.empty(); });
      --idle_;
      if (runs_.empty()) return;
      const std::function<void()> run = std::move(runs_.front());
      runs_.pop_front();
      lock.unlock();
      run();
      lock.lock();
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> runs_;
  std::vector<std::thread> threads_;
  const size_t most_;
  size_t idle_ = 0;
  bool ends_ = false;
};

namespace {

// All options that tell sessions of one model apart.
std::string key_of(const tessera_options* options) {
  const tessera_options o = options ? known(options) : tessera_options{};
  const auto text = [](const char* t) { return cat(t ? t : "", '\0'); };
  std::string key = cat(text(o.device), text(o.precision), text(o.name), o.threads, ' ', o.optimize, ' ',
                        o.memory_limit, ' ', reinterpret_cast<uintptr_t>(o.parallel_for), ' ', o.parallel_context, ' ',
                        o.fail_with_device, ' ', o.most_plans, ' ', o.deadline_ms, ' ', o.most_rounds, ' ',
                        o.copy_files, ' ', o.tune, ' ', operators_of(o.operators).get(), '\0');
  if (options) {
    for (const auto& [name, values] : read_fixed(options)) {
      key += cat(name, '\0');
      for (const double value : values) key += cat(std::hexfloat, value, ' ');
      key += '\0';
    }
    for (const auto& [name, value] : read_initializers(options))
      key += cat(name, '\0', static_cast<const void*>(value.tensor.bytes.get()), '\0');
  }
  return key;
}

// What a file is known by, as long as nobody changes it.
std::string identity(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return path;
  return cat(path, '\0', facts.st_dev, ' ', facts.st_ino, ' ', facts.st_size, ' ', facts.st_mtim.tv_sec, ' ',
             facts.st_mtim.tv_nsec);
}

}  // namespace

std::shared_ptr<const Session> shared(const tessera_options* options, const std::string& source, List<std::byte> bytes,
                                      const std::function<Session()>& open) {
  const auto fresh = [&] { return std::make_shared<const Session>(open()); };
  const tessera_environment* environment = options ? known(options).environment : nullptr;
  if (!environment || !environment->models) return fresh();
  std::string key = key_of(options);
  if (source.empty()) {
    Digest digest;
    digest.add(bytes);
    key += cat("bytes ", digest.value());
  } else {
    key += identity(source);
  }
  SharedModels& models = *environment->models;
  const std::lock_guard lock(models.mutex);  // of two who come at once, one waits for the other's
  std::erase_if(models.known, [](const auto& known) { return known.second.session.expired(); });
  for (const auto& [name, known] : models.known)
    if (name == key && std::equal(bytes.begin(), bytes.end(), known.bytes.begin(), known.bytes.end()))
      if (auto session = known.session.lock()) return session;
  std::shared_ptr<const Session> session = fresh();
  models.known.emplace_back(std::move(key),
                            SharedModels::Known{session, std::vector<std::byte>(bytes.begin(), bytes.end())});
  return session;
}

}  // namespace tessera::c_api

tessera_session::tessera_session(std::shared_ptr<const Session> opened) : owner(std::move(opened)), session(*owner) {}
tessera_session::~tessera_session() = default;

void tessera_session_free(tessera_session* session) {
  if (!session) return;
  if (session->runner && session->runner->is_inside()) {
    // A run's end cannot wait for itself.
    try {
      std::thread([session] { delete session; }).detach();
    } catch (...) {
    }
    return;
  }
  delete session;
}

tessera_status* tessera_environment_create(const tessera_environment_options* options,
                                           tessera_environment** environment) {
  return guard([&] {
    require(environment);
    *environment = nullptr;
    const tessera_environment_options given = read_struct(options, "tessera_environment_options");
    if (!given.allocate != !given.release) fail(Error::Kind::usage, "an allocator needs both, allocate and release");
    if (given.threads < 0 || given.threads > 1024)
      fail(Error::Kind::usage, "cannot run on ", given.threads, " threads: use 0 (all cores) to 1024");
    if (!given.share_threads && (given.threads || given.parallel_for))
      fail(Error::Kind::usage, "threads of an environment need share_threads");
    auto made = std::make_unique<tessera_environment>();
    if (given.share_threads)
      made->shared->threads =
          std::make_shared<Threads>(given.threads, ForeignThreads{given.parallel_for, given.parallel_context});
    static_assert(TESSERA_LOG_WARNING == static_cast<int>(Log::Level::warning));
    if (given.log)
      made->shared->log.tell = [log = given.log, to = given.log_context](Log::Level level, const std::string& text) {
        log(to, static_cast<tessera_log_level>(level), text.c_str());
      };
    made->shared->allocator = {given.allocate, given.release, given.memory_context};
    if (given.share_models) made->models = std::make_unique<SharedModels>();
    *environment = made.release();
  });
}

void tessera_environment_free(tessera_environment* environment) { delete environment; }

tessera_status* tessera_session_forget_plans(const tessera_session* session) {
  return guard([&] {
    require(session);
    session->session.forget_plans();
  });
}

tessera_status* tessera_run_async(const tessera_session* session, const tessera_value* const* inputs,
                                  size_t input_count, const tessera_run_options* options, tessera_done done,
                                  void* context) {
  return guard([&] {
    require(session);
    if (!done) fail(Error::Kind::usage, "an argument is NULL");
    const auto in = std::make_shared<std::vector<Datum>>(data_of(inputs, input_count));
    tessera_run_options given = read_struct(options, "tessera_run_options");
    given.struct_size = sizeof given;
    auto* own = const_cast<tessera_session*>(session);
    const std::lock_guard lock(own->mutex);
    if (!own->runner) own->runner = std::make_unique<Runner>(session->session.runs_at_once());
    own->runner->add([session, in, given, done, context] {
      std::unique_ptr<tessera_result> result;
      tessera_status* failure = guard([&] { result = run(session, *in, &given); });
      in->clear();
      done(context, failure, result.release());
    });
  });
}
