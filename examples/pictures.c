/* Upscales the picture in a file, and writes another file: rows in, rows out, of any format, with all that the file
 * says beside its pixels.
 *
 *   cc pictures.c $(pkg-config --cflags --libs tessera-upscale tessera-pictures) -o upscale_file
 *   ./upscale_file photo.jpg photo_2x.png
 */
#include <stdio.h>
#include <stdlib.h>
#include <tessera/pictures.h>

static int told(tessera_status* status) {
  if (!status) return 0;
  fprintf(stderr, "upscale_file: %s\n", tessera_status_text(status));
  tessera_status_free(status);
  return 1;
}

/* A whole picture in memory, in the file's own samples. */
static int read_picture(tessera_picture_reader* reader, tessera_picture* picture) {
  tessera_picture_facts facts;
  size_t bytes;
  TESSERA_INIT(&facts);
  if (told(tessera_picture_reader_ask(reader, &facts))) return 1;
  fprintf(stderr, "%s, %dx%d, %d channels, %lu bytes of color profile\n", facts.format, (int)facts.width,
          (int)facts.height, facts.channels, (unsigned long)facts.icc_bytes);
  TESSERA_INIT(picture);
  picture->width = facts.width;
  picture->height = facts.height;
  picture->channels = facts.channels;
  picture->dtype = facts.dtype;
  picture->light = facts.light;
  bytes = (size_t)(facts.width * facts.height) * (size_t)facts.channels * sizeof(float); /* enough for any samples */
  picture->data = malloc(bytes);
  return !picture->data || told(tessera_picture_reader_read(reader, picture));
}

static int write_picture(const char* path, const tessera_picture_reader* like, const tessera_picture* picture) {
  tessera_picture_writer_options options;
  tessera_picture_writer* writer = NULL;
  size_t i;
  int failed;
  TESSERA_INIT(&options);
  options.width = picture->width;
  options.height = picture->height;
  options.channels = picture->channels;
  options.dtype = picture->dtype;
  options.light = picture->light;
  options.like = like;
  failed = told(tessera_picture_writer_create(path, &options, &writer)) ||
           told(tessera_picture_writer_write(writer, picture)) || told(tessera_picture_writer_finish(writer));
  for (i = 0; tessera_picture_writer_note(writer, i); ++i)
    fprintf(stderr, "%s: %s\n", path, tessera_picture_writer_note(writer, i));
  tessera_picture_writer_free(writer); /* without finish, no file stays */
  return failed;
}

static int upscale(const char* from, const char* to, const char* model) {
  tessera_picture_reader* reader = NULL;
  tessera_upscaler* upscaler = NULL;
  tessera_upscaler_facts facts;
  tessera_picture source = {0}, result = {0};
  int failed;
  TESSERA_INIT(&facts);
  failed = told(tessera_picture_reader_open(from, NULL, &reader)) || read_picture(reader, &source) ||
           told(tessera_upscaler_open(model, NULL, &upscaler)) || told(tessera_upscaler_ask(upscaler, &facts));
  if (!failed) {
    result = source;
    result.width *= facts.scale;
    result.height *= facts.scale;
    result.data = malloc((size_t)(result.width * result.height) * (size_t)result.channels * sizeof(float));
    failed = !result.data || told(tessera_upscale(upscaler, &source, &result, NULL, NULL)) ||
             write_picture(to, reader, &result);
  }
  tessera_upscaler_free(upscaler);
  tessera_picture_reader_free(reader);
  free(source.data);
  free(result.data);
  return failed;
}

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    fprintf(stderr, "usage: upscale_file IN OUT [MODEL]\n");
    return 2;
  }
  return upscale(argv[1], argv[2], argc > 3 ? argv[3] : NULL);
}
