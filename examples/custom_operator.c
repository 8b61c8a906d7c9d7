/* An operator of one's own: SoftThreshold of my.domain pulls each number towards 0 by `threshold`, an attribute.
 *
 *     cc custom_operator.c $(pkg-config --cflags --libs tessera) -o custom_operator && ./custom_operator
 */
#include <stdio.h>
#include <stdlib.h>
#include <tessera/tessera.h>

/* What a node has of its own: made when a model is loaded, so that runs need not look for the attribute. */
typedef struct node_state {
  float threshold;
} node_state;

static tessera_status* create(void* user, const tessera_node* node, void** state) {
  tessera_attribute attribute;
  TESSERA_INIT(&attribute);
  tessera_status* status = tessera_node_attribute(node, "threshold", &attribute);
  if (status) return status;
  if (attribute.kind != TESSERA_REAL || attribute.reals[0] < 0)
    return tessera_status_create(TESSERA_MODEL, "attribute \"threshold\" is missing, or below 0");
  node_state* made = malloc(sizeof *made);
  if (!made) return tessera_status_create(TESSERA_MEMORY, "out of memory");
  made->threshold = attribute.reals[0];
  *state = made;
  (void)user;
  return NULL;
}

static void destroy(void* user, void* state) {
  free(state);
  (void)user;
}

/* The output is as large as the input. */
static tessera_status* infer(void* user, void* state, const tessera_node* node, tessera_inference* inference) {
  tessera_tensor x;
  tessera_status* status = tessera_inference_input(inference, 0, &x);
  (void)user, (void)state, (void)node;
  return status ? status : tessera_inference_set(inference, 0, TESSERA_UNDEFINED, x.dims, x.rank);
}

typedef struct work {
  const float* from;
  float* to;
  size_t count, piece;
  float threshold;
} work;

/* One piece of a tensor, on some thread. */
static void shrink(void* argument, size_t index) {
  const work* w = argument;
  const size_t end = (index + 1) * w->piece < w->count ? (index + 1) * w->piece : w->count;
  for (size_t i = index * w->piece; i < end; ++i) {
    const float x = w->from[i];
    w->to[i] = x > w->threshold ? x - w->threshold : x < -w->threshold ? x + w->threshold : 0;
  }
}

static tessera_status* run(void* user, void* state, const tessera_node* node, tessera_call* call) {
  tessera_tensor x, y;
  tessera_status* status = tessera_call_input(call, 0, &x);
  if (!status) status = tessera_call_output(call, 0, TESSERA_UNDEFINED, NULL, 0, &y);
  if (status) return status;
  const work w = {x.data, y.data, x.bytes / sizeof(float), 65536, ((const node_state*)state)->threshold};
  tessera_call_parallel(call, (w.count + w.piece - 1) / w.piece, shrink, (void*)&w);
  (void)user, (void)node;
  return NULL;
}

/* The model: y = SoftThreshold(x), threshold 0.25, both float32[n]. */
static const unsigned char model[] = {
    8,   8,   58,  102, 10,  61,  10,  1,   120, 18,  1,   121, 26,  6,   115, 104, 114, 105, 110, 107, 34,
    13,  83,  111, 102, 116, 84,  104, 114, 101, 115, 104, 111, 108, 100, 42,  19,  10,  9,   116, 104, 114,
    101, 115, 104, 111, 108, 100, 21,  0,   0,   128, 62,  160, 1,   1,   58,  9,   109, 121, 46,  100, 111,
    109, 97,  105, 110, 18,  1,   103, 90,  16,  10,  1,   120, 18,  11,  10,  9,   8,   1,   18,  5,   10,
    3,   18,  1,   110, 98,  16,  10,  1,   121, 18,  11,  10,  9,   8,   1,   18,  5,   10,  3,   18,  1,
    110, 66,  13,  10,  9,   109, 121, 46,  100, 111, 109, 97,  105, 110, 16,  1};

static int report(tessera_status* status) {
  fprintf(stderr, "%s\n", tessera_status_text(status));
  tessera_status_free(status);
  return 1;
}

int main(void) {
  tessera_operator soft_threshold;
  TESSERA_INIT(&soft_threshold);
  soft_threshold.domain = "my.domain";
  soft_threshold.name = "SoftThreshold";
  soft_threshold.version = 1;
  soft_threshold.types = "float32 -> float32";
  soft_threshold.min_inputs = soft_threshold.max_inputs = 1;
  soft_threshold.min_outputs = soft_threshold.max_outputs = 1;
  soft_threshold.create = create;
  soft_threshold.destroy = destroy;
  soft_threshold.infer = infer;
  soft_threshold.run = run;

  tessera_options options;
  tessera_options_init(&options);
  tessera_operators* operators = NULL;
  tessera_session* session = NULL;
  tessera_status* status = tessera_operators_create(&operators);
  if (!status) status = tessera_operators_add(operators, &soft_threshold);
  options.operators = operators;
  if (!status) status = tessera_session_load_memory(model, sizeof model, &options, &session);
  tessera_operators_free(operators); /* the session keeps what it needs */
  if (status) return report(status);

  float x[] = {-1, -0.125f, 0, 0.25f, 0.5f}, y[5];
  const int64_t dims[] = {5};
  const tessera_tensor in = {TESSERA_FLOAT32, 1, dims, x, sizeof x}, out = {TESSERA_FLOAT32, 1, dims, y, sizeof y};
  status = tessera_run_into(session, &in, 1, &out, 1, NULL);
  for (size_t i = 0; !status && i < 5; ++i) printf("%g -> %g\n", x[i], y[i]);
  tessera_session_free(session);
  return status ? report(status) : 0;
}
