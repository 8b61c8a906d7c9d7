/* What an application asks of a runtime beside plain runs, a function for each task: docs/embed.md tells of them.
 *
 *     cc tasks.c $(pkg-config --cflags --libs tessera) -lpthread -o tasks && ./tasks model.onnx
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/tessera.h>

/* An example may end the program where something fails; a library passes the status on. */
static void check(tessera_status* status) {
  if (!status) return;
  fprintf(stderr, "%s\n", tessera_status_text(status));
  tessera_status_free(status);
  exit(1);
}

/* A picture of one grey for the model's first input; extents that the model leaves open become 32. */
static float pixels[3 * 32 * 32];
static int64_t dims[4] = {1, 3, 32, 32};
static const tessera_tensor picture = {TESSERA_FLOAT32, 4, dims, pixels, sizeof pixels};

/* --- Messages, memory of one's own, and what sessions share --- */

static void print_message(void* context, tessera_log_level level, const char* text) {
  (void)context;
  printf("%s: %s\n", level == TESSERA_LOG_WARNING ? "warning" : "information", text);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t lent = 0, most = 0;

static void* lend(void* context, size_t bytes, size_t alignment) {
  (void)context;
  void* memory = NULL;
  if (posix_memalign(&memory, alignment, bytes)) return NULL;
  pthread_mutex_lock(&lock);
  lent += bytes;
  if (lent > most) most = lent;
  pthread_mutex_unlock(&lock);
  return memory;
}

static void take_back(void* context, void* memory, size_t bytes) {
  (void)context;
  pthread_mutex_lock(&lock);
  lent -= bytes;
  pthread_mutex_unlock(&lock);
  free(memory);
}

static tessera_environment* open_environment(void) {
  tessera_environment_options options;
  TESSERA_INIT(&options);
  options.share_threads = 1; /* all sessions run on the same threads */
  options.share_models = 1;  /* and two of the same file are one in memory */
  options.log = print_message;
  options.allocate = lend;
  options.release = take_back;
  tessera_environment* environment = NULL;
  check(tessera_environment_create(&options, &environment));
  return environment;
}

static tessera_session* open_session(const tessera_environment* environment, const char* path) {
  tessera_options options;
  tessera_options_init(&options);
  options.device = "cpu";
  options.environment = environment;
  options.most_plans = 16; /* a plan is kept for each of the last 16 sizes of pictures */
  tessera_session* session = NULL;
  check(tessera_session_load(path, &options, &session));
  return session;
}

/* --- What a model is --- */

static void describe(const tessera_session* session) {
  tessera_model model;
  TESSERA_INIT(&model);
  check(tessera_session_model(session, &model));
  printf("made by \"%s\", %zu nodes\n", model.producer, model.node_count);
  for (size_t i = 0; i < tessera_session_input_count(session) + tessera_session_optional_input_count(session); ++i) {
    tessera_port port;
    tessera_port_init(&port);
    check(tessera_session_input(session, i, &port));
    printf("%s %s:", port.optional ? "optional input" : "input", port.name);
    for (size_t axis = 0; axis < port.rank; ++axis)
      if (port.dims[axis] >= 0)
        printf(" %lld", (long long)port.dims[axis]);
      else
        printf(" %s", *tessera_type_dim_name(port.type, axis) ? tessera_type_dim_name(port.type, axis) : "?");
    printf("\n");
  }
}

/* --- What a run takes, before it is made, and where its time goes --- */

typedef struct profile {
  double seconds;
  size_t steps;
} profile;

static void count_step(void* context, const tessera_step* step) {
  profile* to = context;
  to->seconds += step->seconds;
  ++to->steps;
}

static void measure(const tessera_session* session) {
  tessera_memory memory;
  TESSERA_INIT(&memory);
  check(tessera_session_forecast(session, &picture, 1, &memory));
  printf("a run takes %lld KiB beside weights\n", (long long)(memory.arena + memory.ends) / 1024);

  tessera_steps* steps = NULL;
  check(tessera_session_steps(session, &picture, 1, &steps));
  double flops = 0;
  for (size_t i = 0; i < tessera_steps_count(steps); ++i) {
    tessera_step_facts facts;
    TESSERA_INIT(&facts);
    check(tessera_steps_get(steps, i, &facts));
    flops += facts.flops;
  }
  tessera_steps_free(steps);

  profile times = {0, 0};
  tessera_run_options options;
  TESSERA_INIT(&options);
  options.step = count_step;
  options.context = &times;
  tessera_result* result = NULL;
  check(tessera_run_with(session, &picture, 1, &options, &result));
  tessera_result_free(result);
  printf("%zu steps, %.1f million operations, timed: %s\n", times.steps, flops / 1e6, times.seconds > 0 ? "yes" : "no");
}

/* --- A run that nobody waits for, and one that is stopped --- */

typedef struct answer {
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  int count;
} answer;

static void take_result(void* context, tessera_status* status, tessera_result* result) {
  answer* to = context;
  tessera_tensor output;
  if (status)
    printf("in the background: %s\n", tessera_status_text(status));
  else if (!(status = tessera_result_tensor(result, 0, &output)))
    printf("in the background: %lldx%lld\n", (long long)output.dims[3], (long long)output.dims[2]);
  tessera_status_free(status);
  tessera_result_free(result);
  pthread_mutex_lock(&to->mutex);
  ++to->count;
  pthread_cond_signal(&to->wake);
  pthread_mutex_unlock(&to->mutex);
}

static void run_in_background(const tessera_session* session) {
  answer told = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
  tessera_value* value = NULL;
  check(tessera_value_create_tensor(&picture, &value));
  tessera_cancel* cancel = NULL;
  check(tessera_cancel_create(&cancel));
  tessera_run_options options;
  TESSERA_INIT(&options);
  options.cancel = cancel;
  check(tessera_run_async(session, (const tessera_value* const*)&value, 1, NULL, take_result, &told));
  tessera_cancel_request(cancel);
  check(tessera_run_async(session, (const tessera_value* const*)&value, 1, &options, take_result, &told));
  tessera_value_free(value); /* the runs have their own handles */
  pthread_mutex_lock(&told.mutex);
  while (told.count < 2) pthread_cond_wait(&told.wake, &told.mutex);
  pthread_mutex_unlock(&told.mutex);
  tessera_cancel_free(cancel);
}

/* --- Strings, sequences and maps --- */

static void print_values(void) {
  const char* const names[] = {"cat", "dog"};
  const int64_t two = 2;
  float scores[] = {0.75f, 0.25f};
  const tessera_tensor tensor = {TESSERA_FLOAT32, 1, &two, scores, sizeof scores};
  tessera_value *keys = NULL, *values = NULL, *map = NULL;
  check(tessera_value_create_strings(names, NULL, &two, 1, &keys));
  check(tessera_value_create_tensor(&tensor, &values));
  check(tessera_value_create_map(keys, values, &map)); /* an input of tessera_run_values, or an output */
  tessera_value_free(keys);
  tessera_value_free(values);

  check(tessera_value_keys(map, &keys));
  for (size_t i = 0; i < tessera_value_count(map); ++i) {
    const char* name = NULL;
    tessera_value* score = NULL;
    tessera_tensor number;
    check(tessera_value_string(keys, i, &name, NULL));
    check(tessera_value_item(map, i, &score));
    check(tessera_value_tensor(score, &number));
    printf("%s: %g\n", name, (double)*(const float*)number.data);
    tessera_value_free(score);
  }
  tessera_value_free(keys);
  tessera_value_free(map);
}

int main(int argc, char** argv) {
  if (argc != 2) return fprintf(stderr, "usage: tasks MODEL.onnx\n"), 2;
  for (size_t i = 0; i < sizeof pixels / sizeof *pixels; ++i) pixels[i] = 0.5f;
  tessera_environment* environment = open_environment();
  tessera_session* session = open_session(environment, argv[1]);
  tessera_session* same = open_session(environment, argv[1]);
  tessera_environment_free(environment); /* the sessions keep what they need */
  describe(session);
  measure(session);
  run_in_background(same);
  print_values();
  check(tessera_session_forget_plans(session));
  tessera_session_free(session);
  tessera_session_free(same);
  printf("lent at most %s, at the end %zu bytes\n", most > sizeof pixels ? "enough" : "nothing", lent);
  return 0;
}
