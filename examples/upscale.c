/* Upscales raw RGB, 8 bits a sample, from standard input to standard output:
 *
 *   cc upscale.c $(pkg-config --cflags --libs tessera-upscale) -o upscale
 *   ffmpeg -i in.png -f rawvideo -pix_fmt rgb24 - | ./upscale 640 480 > out.rgb
 *
 * With a third argument, an ONNX upscaler in place of the one that the library has. With X Y W H behind that, only this
 * part of the result, computed alone. */
#include <stdio.h>
#include <stdlib.h>
#include <tessera/upscale.h>

static int told(tessera_status* status) {
  if (!status) return 0;
  fprintf(stderr, "upscale: %s\n", tessera_status_text(status));
  tessera_status_free(status);
  return 1;
}

static int progress(void* context, double done) {
  (void)context;
  fprintf(stderr, "\r%3.0f %%", 100 * done);
  return 0; /* go on */
}

static int upscale(const tessera_upscaler* upscaler, tessera_picture* source, char** part) {
  tessera_upscaler_facts facts;
  tessera_upscale_forecast forecast;
  tessera_picture result;
  tessera_upscale_options options;
  tessera_upscale_report* report = NULL;
  size_t bytes, i;
  int failed;

  TESSERA_INIT(&facts);
  TESSERA_INIT(&forecast);
  if (told(tessera_upscaler_ask(upscaler, &facts)) ||
      told(tessera_upscaler_forecast(upscaler, source->width, source->height, source->channels, &forecast)))
    return 1;
  fprintf(stderr, "%s: x%d on %s; about %.2f s, %.0f MiB a run\n", facts.name, (int)facts.scale,
          tessera_upscaler_device(upscaler, 0), forecast.seconds, (double)forecast.run_bytes / (1 << 20));

  TESSERA_INIT(&options);
  options.progress = progress;
  TESSERA_INIT(&result);
  result.width = source->width * facts.scale;
  result.height = source->height * facts.scale;
  if (part) {
    options.x = atoi(part[0]);
    options.y = atoi(part[1]);
    result.width = atoi(part[2]);
    result.height = atoi(part[3]);
  }
  result.channels = source->channels;
  result.dtype = TESSERA_UINT8;
  bytes = result.width > 0 && result.height > 0 ? (size_t)result.width * (size_t)result.height * 3 : 1;
  result.data = malloc(bytes);
  if (!result.data) return 1;

  failed = told(tessera_upscale(upscaler, source, &result, &options, &report));
  fputc('\n', stderr);
  for (i = 0; !failed && tessera_upscale_report_note(report, i); ++i)
    fprintf(stderr, "%s\n", tessera_upscale_report_note(report, i));
  if (!failed) failed = fwrite(result.data, 1, bytes, stdout) != bytes;
  tessera_upscale_report_free(report);
  free(result.data);
  return failed;
}

int main(int argc, char** argv) {
  tessera_upscaler* upscaler = NULL;
  tessera_picture source;
  size_t bytes;
  int failed;

  if (argc != 3 && argc != 4 && argc != 8) {
    fprintf(stderr, "usage: upscale WIDTH HEIGHT [MODEL [X Y W H]] < in.rgb > out.rgb\n");
    return 2;
  }
  TESSERA_INIT(&source);
  source.width = atoi(argv[1]);
  source.height = atoi(argv[2]);
  source.channels = 3;
  source.dtype = TESSERA_UINT8;
  if (source.width < 1 || source.height < 1 || source.width > 65535 || source.height > 65535) return 2;
  bytes = (size_t)source.width * (size_t)source.height * 3;
  source.data = malloc(bytes);
  if (!source.data || fread(source.data, 1, bytes, stdin) != bytes) {
    fprintf(stderr, "upscale: standard input has less than %lu bytes\n", (unsigned long)bytes);
    free(source.data);
    return 1;
  }
  failed = told(tessera_upscaler_open(argc > 3 ? argv[3] : NULL, NULL, &upscaler)) ||
           upscale(upscaler, &source, argc > 4 ? argv + 4 : NULL);
  tessera_upscaler_free(upscaler);
  free(source.data);
  return failed;
}
