/* Runs a picture through a model twice, one session after the other, and leaves what is between them on the device.
 *
 *     cc buffers.c $(pkg-config --cflags --libs tessera) -o buffers && ./buffers upscaler.onnx vulkan:0
 *
 * Without a device it is the first GPU's memory, or the host's where there is none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <tessera/tessera.h>

/* An example may end the program where something fails; a library passes the status on. */
static void check(tessera_status* status) {
  if (!status) return;
  fprintf(stderr, "%s\n", tessera_status_text(status));
  tessera_status_free(status);
  exit(1);
}

static tessera_session* open_session(const char* path, const char* device) {
  tessera_options options;
  tessera_options_init(&options);
  options.device = device;
  tessera_session* session = NULL;
  check(tessera_session_load(path, &options, &session));
  return session;
}

/* A buffer for the session's output, where the session runs. */
static tessera_buffer* buffer_behind(const tessera_session* session, const tessera_buffer* input) {
  tessera_buffer_facts facts;
  TESSERA_INIT(&facts);
  check(tessera_buffer_get(input, &facts));
  int64_t dims[8];
  tessera_tensor type = {TESSERA_UNDEFINED, 0, dims, NULL, 0};
  check(tessera_output_type(session, &facts.tensor, 1, 0, &type.dtype, dims, 8, &type.rank, &type.bytes));
  tessera_buffer* buffer = NULL;
  check(tessera_buffer_create(tessera_session_device(session), &type, 0, &buffer));
  return buffer;
}

static void run(const tessera_session* session, const tessera_buffer* in, tessera_buffer* out) {
  check(tessera_run_buffers(session, &in, 1, &out, 1, NULL));
}

/* Bytes that went to the session's device and came back, in its runs. */
static long long crossed(const tessera_session* session) {
  tessera_traffic traffic;
  TESSERA_INIT(&traffic);
  check(tessera_session_traffic(session, &traffic));
  return (long long)(traffic.uploaded + traffic.downloaded);
}

static float pixels[3 * 16 * 16];

int main(int argc, char** argv) {
  if (argc < 2) return fprintf(stderr, "usage: buffers MODEL.onnx [DEVICE]\n"), 2;
  const char* device = argc > 2 ? argv[2] : "auto";
  tessera_session* first = open_session(argv[1], device);
  tessera_session* second = open_session(argv[1], device);

  const int64_t dims[] = {1, 3, 16, 16};
  const tessera_tensor picture = {TESSERA_FLOAT32, 4, dims, pixels, sizeof pixels};
  tessera_buffer* in = NULL;
  check(tessera_buffer_create(tessera_session_device(first), &picture, 0, &in));
  check(tessera_buffer_write(in, pixels, sizeof pixels));

  tessera_buffer* between = buffer_behind(first, in);
  tessera_buffer* out = buffer_behind(second, between);
  run(first, in, between);
  run(second, between, out);
  printf("on %s: %lld bytes crossed the bus in the runs\n", tessera_session_device(first),
         crossed(first) + crossed(second));
  tessera_session_free(first);
  tessera_session_free(second); /* what they left stays */

  tessera_buffer_facts facts;
  TESSERA_INIT(&facts);
  check(tessera_buffer_get(out, &facts));
  float* result = malloc(facts.tensor.bytes);
  if (!result) return 1;
  check(tessera_buffer_read(out, result, facts.tensor.bytes));
  printf("the result is %lldx%lld\n", (long long)facts.tensor.dims[3], (long long)facts.tensor.dims[2]);
  free(result);
  tessera_buffer_free(in);
  tessera_buffer_free(between);
  tessera_buffer_free(out);
  return 0;
}
