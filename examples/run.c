/* Loads a model, runs it on a picture of zeros and prints the shape and mean of each output.
 *
 *     cc run.c $(pkg-config --cflags --libs tessera) -o run && ./run model.onnx
 */
#include <stdio.h>
#include <stdlib.h>
#include <tessera/tessera.h>

static int report(tessera_status* status) {
  fprintf(stderr, "%s\n", tessera_status_text(status));
  tessera_status_free(status);
  return 1;
}

static void print_output(size_t index, const tessera_tensor* tensor) {
  printf("output %zu: [", index);
  for (size_t i = 0; i < tensor->rank; ++i) printf(i ? ",%lld" : "%lld", (long long)tensor->dims[i]);
  printf("]");
  if (tensor->dtype == TESSERA_FLOAT32 && tensor->bytes) {
    const float* values = tensor->data;
    const size_t count = tensor->bytes / sizeof *values;
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += values[i];
    printf(" mean %.6f", sum / (double)count);
  }
  printf("\n");
}

int main(int argc, char** argv) {
  if (argc != 2) return fprintf(stderr, "usage: run MODEL.onnx\n"), 2;
  tessera_session* session = NULL;
  tessera_status* status = tessera_session_load(argv[1], NULL, &session);
  if (status) return report(status);

  /* One float input; extents that the model leaves open become 16. */
  tessera_port port;
  tessera_port_init(&port);
  status = tessera_session_input(session, 0, &port);
  if (status) return tessera_session_free(session), report(status);
  int64_t dims[8];
  size_t count = 1;
  for (size_t i = 0; i < port.rank && i < 8; ++i) {
    dims[i] = port.dims[i] < 0 ? (i ? 16 : 1) : port.dims[i];
    count *= (size_t)dims[i];
  }
  float* picture = calloc(count, sizeof *picture);
  const tessera_tensor input = {TESSERA_FLOAT32, port.rank, dims, picture, count * sizeof *picture};

  tessera_result* result = NULL;
  status = tessera_run(session, &input, 1, NULL, &result);
  for (size_t i = 0; !status && i < tessera_result_count(result); ++i) {
    tessera_tensor output;
    status = tessera_result_tensor(result, i, &output);
    if (!status) print_output(i, &output);
  }
  tessera_result_free(result);
  free(picture);
  tessera_session_free(session);
  return status ? report(status) : 0;
}
