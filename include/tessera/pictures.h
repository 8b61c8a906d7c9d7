/* tessera pictures: files of pictures, read and written row by row. The C interface of libtessera_pictures.
 *
 * What tessera.h says of statuses, structs, strings and ownership holds here too. Rows are tessera_picture of
 * upscale.h, so that what is read here is what an upscaler takes, and what it gives is written here; libtessera_upscale
 * itself is not needed. A reader or a writer belongs to one thread at a time; any number of them may be at work.
 *
 * Formats have names: png, jpg, webp, gif, avif, jxl, jp2, tif, bmp, ppm, pam, pfm. All are read, of animations the
 * first picture; gif and jp2 are not written. Builds without the library of a format tell so.
 */
#ifndef TESSERA_PICTURES_H
#define TESSERA_PICTURES_H

#include <tessera/upscale.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Reading -------------------------------------------------------------------------------- */

/* 0 or NULL is the default of all. */
typedef struct tessera_picture_reader_options {
  size_t struct_size;
  int64_t most_pixels; /* refuse what declares more; 0: 268435456 */
  int as_stored;       /* not 0: rows as they lie in the file, not turned as its orientation asks for */
  const char* name;    /* what messages call bytes from memory */
} tessera_picture_reader_options;

typedef struct tessera_picture_reader tessera_picture_reader;
/* A file (UTF-8 path), whose format its bytes tell, whatever its name. Its head is read; rows are decoded as they are
 * asked for where the format and its orientation allow. */
TESSERA_API tessera_status* tessera_picture_reader_open(const char* path, const tessera_picture_reader_options* options,
                                                        tessera_picture_reader** reader);
/* The bytes of a file, which stay the caller's and as they are until the reader is freed. */
TESSERA_API tessera_status* tessera_picture_reader_open_memory(const void* data, size_t bytes,
                                                               const tessera_picture_reader_options* options,
                                                               tessera_picture_reader** reader);
TESSERA_API void tessera_picture_reader_free(tessera_picture_reader* reader);

/* What a file says of its picture. Pointers are valid as long as the reader; NULL and 0 where it says nothing. */
typedef struct tessera_picture_facts {
  size_t struct_size;
  const char* format;
  int64_t width, height; /* of the rows that are given */
  int channels;          /* 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA */
  tessera_dtype dtype;   /* what holds all of a sample: TESSERA_UINT8, TESSERA_UINT16, TESSERA_FLOAT32 */
  int light;             /* samples are floats that are proportional to light: as tessera_picture.light */
  int orientation;       /* as EXIF counts them, how the rows are to be turned: 1, unless they are as they are stored */
  double density_x, density_y; /* pixels per metre */
  const void* icc;             /* profile of the colors */
  size_t icc_bytes;
  const void* exif; /* a TIFF structure, true of the rows that are given */
  size_t exif_bytes;
  const void* xmp;
  size_t xmp_bytes;
  const void* iptc; /* IIM records */
  size_t iptc_bytes;
  size_t text_count;
  int64_t held_bytes; /* that are in memory until the last row; 0 where rows are decoded as they come */
} tessera_picture_facts;
TESSERA_API tessera_status* tessera_picture_reader_ask(const tessera_picture_reader* reader,
                                                       tessera_picture_facts* facts);
/* A text that stands in the file under a key ("Comment", "Title"). NULL where there is no such. */
TESSERA_API const char* tessera_picture_reader_text(const tessera_picture_reader* reader, size_t index,
                                                    const char** key);
/* What was lost or assumed, as that a JPEG is damaged: complete when all rows were read. NULL where there is no such.
 */
TESSERA_API const char* tessera_picture_reader_note(const tessera_picture_reader* reader, size_t index);

/* The next rows->height rows into the caller's memory. `rows` has the picture's width, and any channels and dtype: gray
 * becomes colors, what has no room for alpha lies on white, samples get other bits. Of light and what is not, both are
 * or none; colors never become gray. */
TESSERA_API tessera_status* tessera_picture_reader_read(tessera_picture_reader* reader, const tessera_picture* rows);
/* The first row is the next one again. */
TESSERA_API tessera_status* tessera_picture_reader_restart(tessera_picture_reader* reader);

/* --- Writing -------------------------------------------------------------------------------- */

typedef struct tessera_picture_text {
  const char *key, *text; /* UTF-8 */
} tessera_picture_text;

/* 0 or NULL is the default of all but the picture's own facts. */
typedef struct tessera_picture_writer_options {
  size_t struct_size;
  int64_t width, height;
  int channels;
  tessera_dtype dtype; /* of the rows that will come: as tessera_picture has it; `light` too */
  int light;
  const char* format; /* NULL: as the path ends */
  int quality;  /* 1..100 of formats that lose something; 0: 95 of jpg, 90 of avif, nothing lost by webp and jxl */
  int lossless; /* not 0: refused by formats that always lose something (jpg, avif) */
  int dither;   /* not 0: noise in place of bands where a format has fewer bits */
  int threads;  /* that compress; 0: one per core that the process may use */
  /* What this reader's file says beside its pixels (profile, EXIF, XMP, density, texts) is said of the new picture,
   * made true for its size. May be read on meanwhile, and be freed when the writer is there. */
  const tessera_picture_reader* like;
  const void* icc; /* in place of what `like` says, as the rest */
  size_t icc_bytes;
  double density_x, density_y; /* pixels per metre */
  const tessera_picture_text* texts;
  size_t text_count;
} tessera_picture_writer_options;

typedef struct tessera_picture_writer tessera_picture_writer;
/* A new file. It gets its name when it is finished: until then, and for ever if it is not, what has the name stays as
 * it is. Folders on the way to it are made. Pipes and devices are written to at the end. */
TESSERA_API tessera_status* tessera_picture_writer_create(const char* path,
                                                          const tessera_picture_writer_options* options,
                                                          tessera_picture_writer** writer);
/* The same in memory; the options name the format. */
TESSERA_API tessera_status* tessera_picture_writer_create_memory(const tessera_picture_writer_options* options,
                                                                 tessera_picture_writer** writer);
/* The next rows->height rows, which have the width, channels and samples that the options told. */
TESSERA_API tessera_status* tessera_picture_writer_write(tessera_picture_writer* writer, const tessera_picture* rows);
/* After the last row: the file is flushed to the disk and gets its name. */
TESSERA_API tessera_status* tessera_picture_writer_finish(tessera_picture_writer* writer);
/* The bytes of a finished file in memory, valid until the writer is freed. */
TESSERA_API tessera_status* tessera_picture_writer_bytes(const tessera_picture_writer* writer, const void** data,
                                                         size_t* bytes);
/* What the format could not hold of the picture, and what became of it. NULL where there is no such. */
TESSERA_API const char* tessera_picture_writer_note(const tessera_picture_writer* writer, size_t index);
/* What was not finished is given up, and leaves nothing. */
TESSERA_API void tessera_picture_writer_free(tessera_picture_writer* writer);

/* --- An operator ---------------------------------------------------------------------------- */

/* Adds ONNX's ImageDecoder to a set of operators to load models with (tessera_options.operators): libtessera alone has
 * no decoder of pictures. What is no picture, or a damaged one, becomes an empty matrix, as ONNX wants it. */
TESSERA_API tessera_status* tessera_pictures_add_operators(tessera_operators* operators);

#ifdef __cplusplus
}
#endif
#endif
