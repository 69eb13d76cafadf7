/* The network: from a segment's energies to its masks. */

#include "engine/net.h"

#include <math.h>
#include <string.h>

#include <libavutil/crc.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/lanes.h"
#include "engine/product.h"

/* As in spec/bench/weights/model.py. */
enum {
  WIDTHS = 5,
  BANDS = 35,
  ENCODED = 32,
  WIDTH = 320,
  HIDDEN = 256,
  DECODED = 48,
  SEEN = 64,
  TAPS = 3,
  BLOCKS = 9,
  POOLED = 4,    /* after this many blocks the seconds around come in */
  REACH = 64,    /* frames that count as around, to each side */
  SMOOTH = 16,   /* frames over which what speaks against a lead is smoothed */
  LEAST = 48,    /* frames whose least of that counts, to each side */
  FARTHEST = 32, /* the greatest dilation */
  CHUNK = 48,    /* frames that are worked on at a time */
  MASKS = 2 * GRID_BINS,
};

static const int dilations[BLOCKS] = {1, 2, 4, 8, 16, 32, 1, 4, 16};
static const struct {
  int bins, bands;
} widths[WIDTHS] = {{8, 12}, {16, 8}, {32, 8}, {64, 4}, {96, 3}};

/* Outputs = bias + the sum over taps of inputs * w. */
typedef struct Linear {
  int taps, inputs, outputs;
  float *w, *bias;
} Linear;

typedef struct Norm {
  float *gain, *bias;
} Norm;

typedef struct Block {
  Norm norm;
  Linear conv, out;
} Block;

struct Net {
  Product *product;
  float *memory; /* of all weights; NULL while they are only counted */
  size_t used;
  float *mean, *scale; /* of the features, GRID_ROW each */
  Linear encode[BANDS], inner, pool, context, decode[BANDS], mask[BANDS], seen;
  Block blocks[BLOCKS];
  Norm norm;
  float *doubt; /* weights of what is seen, and a bias */
};

struct Room {
  float *memory;
  float *x;      /* the trunk's state: SEGMENT_FRAMES rows of WIDTH */
  float *y;      /* what is computed from it; zeros before and after it */
  float *bands;  /* CHUNK rows: what goes to the trunk or comes from it */
  float *hidden; /* CHUNK rows inside a layer */
  float *masks;  /* CHUNK rows of MASKS */
  float *doubts; /* of each frame: what its logits are lowered by */
};

/* --- reading -------------------------------------------------------------- */

/* A file is this, the CRC of all that follows, and then, in the order of
** read_all: of each linear layer a signed byte for each weight, tap by tap and
** row by row, with a float for each output that scales them, and the biases;
** all else as floats.  Little end first. */
static const char magic[8] = {'c', 'a', 'm', 'b', 'n', 'e', 't', '2'};

typedef struct Reader {
  Net *net;
  const uint8_t *at, *end;
  int bad;
} Reader;

static float *room_for (Net *n, size_t count) {
  float *p = n->memory != NULL ? n->memory + n->used : NULL;
  n->used += (count + PANEL - 1) / PANEL * PANEL;
  return p;
}

static const uint8_t *take (Reader *r, size_t size) {
  const uint8_t *p = r->at;
  if ((size_t)(r->end - p) < size) {
    r->bad = 1;
    return NULL;
  }
  r->at += size;
  return p;
}

static float *read_floats (Reader *r, size_t count) {
  const uint8_t *p = take(r, 4 * count);
  float *out = room_for(r->net, count);
  for (size_t i = 0; p != NULL && out != NULL && i < count; i++) {
    out[i] = av_int2float(AV_RL32(p + 4 * i));
    if (!(fabsf(out[i]) < 1e6F))
      r->bad = 1;
  }
  return out;
}

static Norm read_norm (Reader *r) {
  Norm n;
  n.gain = read_floats(r, WIDTH);
  n.bias = read_floats(r, WIDTH);
  return n;
}

/* Row by row to panel by panel. */
static void unpack (const uint8_t *p, const float *scale, int inputs,
                    int outputs, float *w) {
  for (int i = 0; i < inputs; i++)
    for (int o = 0; o < outputs; o++, p++)
      w[(o / PANEL * inputs + i) * PANEL + o % PANEL] =
        scale[o] * (float)(int8_t)*p;
}

static Linear read_linear (Reader *r, int taps, int inputs, int outputs) {
  Linear l = {.taps = taps, .inputs = inputs, .outputs = outputs};
  size_t count = (size_t)inputs * (size_t)outputs;
  const uint8_t *p = take(r, (size_t)taps * count);
  l.w = room_for(r->net, (size_t)taps * count);
  const float *scale = read_floats(r, (size_t)outputs);
  l.bias = read_floats(r, (size_t)outputs);
  for (int tap = 0; !r->bad && l.w != NULL && tap < taps; tap++)
    unpack(p + (size_t)tap * count, scale, inputs, outputs,
           l.w + (size_t)tap * count);
  return l;
}

static void read_bands (Reader *r, Linear *to, int taps, int inputs,
                        int inputs_per_bin, int outputs, int outputs_per_bin) {
  for (int i = 0; i < WIDTHS; i++)
    for (int band = 0; band < widths[i].bands; band++)
      *to++ = read_linear(r, taps, inputs + inputs_per_bin * widths[i].bins,
                          outputs + outputs_per_bin * widths[i].bins);
}

static void read_all (Reader *r, Net *n) {
  n->mean = read_floats(r, GRID_ROW);
  n->scale = read_floats(r, GRID_ROW);
  read_bands(r, n->encode, TAPS, 0, GRID_PLANES, ENCODED, 0);
  n->inner = read_linear(r, 1, BANDS * ENCODED, WIDTH);
  for (int i = 0; i < BLOCKS; i++) {
    n->blocks[i].norm = read_norm(r);
    n->blocks[i].conv = read_linear(r, TAPS, WIDTH, HIDDEN);
    n->blocks[i].out = read_linear(r, 1, HIDDEN, WIDTH);
  }
  n->pool = read_linear(r, 1, 2 * WIDTH, WIDTH);
  n->norm = read_norm(r);
  n->context = read_linear(r, 1, WIDTH, BANDS * DECODED);
  read_bands(r, n->decode, TAPS, 0, GRID_PLANES, DECODED, 0);
  read_bands(r, n->mask, 1, DECODED, 0, 0, 2);
  n->seen = read_linear(r, 1, WIDTH, SEEN);
  n->doubt = read_floats(r, SEEN + 1);
}

static int is_whole (const uint8_t *bytes, size_t size) {
  enum { HEAD = sizeof magic + 4 };
  if (size < HEAD || memcmp(bytes, magic, sizeof magic) != 0)
    return 0;
  uint32_t crc = av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), UINT32_MAX,
                        bytes + HEAD, size - HEAD);
  return AV_RL32(bytes + sizeof magic) == ~crc;
}

/* First only to see whether it has the right length, and what it takes. */
static int read_net (Net *n, const uint8_t *bytes, size_t size) {
  enum { HEAD = sizeof magic + 4 };
  for (int pass = 0; pass < 2; pass++) {
    Reader r = {n, bytes + HEAD, bytes + size, 0};
    n->used = 0;
    read_all(&r, n);
    if (r.bad || r.at != r.end)
      return AVERROR_INVALIDDATA;
    if (pass == 0 && !(n->memory = av_malloc_array(n->used, sizeof(float))))
      return AVERROR(ENOMEM);
  }
  return 0;
}

Net *net_open (const uint8_t *bytes, size_t size, int plain, Fault *fault) {
  Net *n = av_mallocz(sizeof *n);
  int code = AVERROR(ENOMEM);
  if (n != NULL) {
    n->product = product_for(plain);
    code =
      is_whole(bytes, size) ? read_net(n, bytes, size) : AVERROR_INVALIDDATA;
  }
  if (code == 0)
    return n;
  if (code == AVERROR(ENOMEM))
    fault_memory(fault);
  else
    fault_set(fault, FAULT_INTERNAL, "the network's weights are damaged");
  net_close(n);
  return NULL;
}

void net_close (Net *n) {
  if (n != NULL)
    av_free(n->memory);
  av_free(n);
}

/* --- room ----------------------------------------------------------------- */

Room *net_room (void) {
  enum {
    STATE = SEGMENT_FRAMES * WIDTH,
    EDGE = FARTHEST * WIDTH,
    HELD = CHUNK * BANDS * DECODED,
    INSIDE = CHUNK * 2 * WIDTH,
    MADE = CHUNK * MASKS,
    FRAMES = SEGMENT_FRAMES,
  };
  Room *r = av_mallocz(sizeof *r);
  if (r == NULL)
    return NULL;
  r->memory = av_calloc(2 * STATE + 2 * EDGE + HELD + INSIDE + MADE + FRAMES,
                        sizeof(float));
  if (r->memory == NULL) {
    av_free(r);
    return NULL;
  }
  r->x = r->memory;
  r->y = r->x + STATE + EDGE;
  r->bands = r->y + STATE + EDGE;
  r->hidden = r->bands + HELD;
  r->masks = r->hidden + INSIDE;
  r->doubts = r->masks + MADE;
  return r;
}

void net_leave (Room *r) {
  if (r != NULL)
    av_free(r->memory);
  av_free(r);
}

/* --- layers --------------------------------------------------------------- */

/* Add to 'rows' rows of 'out'; taps come from rows a 'distance' apart. */
static void add_linear (const Net *n, const Linear *l, const float *in,
                        size_t in_step, int distance, int rows, float *out,
                        size_t out_step) {
  ptrdiff_t apart = (ptrdiff_t)in_step * distance;
  for (int r = 0; r < rows; r++)
    for (int i = 0; i < l->outputs; i++)
      out[(size_t)r * out_step + (size_t)i] += l->bias[i];
  for (int tap = 0; tap < l->taps; tap++)
    n->product(in + (tap - l->taps / 2) * apart, in_step, rows, l->inputs,
               l->w + (size_t)tap * (size_t)(l->inputs * l->outputs),
               l->outputs, out, out_step);
}

static void clear (float *rows, int count, int width) {
  memset(rows, 0, (size_t)count * (size_t)width * sizeof *rows);
}

static void relu (float *row, int rows, int width, size_t step) {
  for (int r = 0; r < rows; r++, row += step)
    for (int i = 0; i < width; i += LANES)
      lanes_store(row + i, lanes_max(lanes_load(row + i), lanes_all(0)));
}

static float sum_of (Lanes v) {
  return (v[0] + v[1]) + (v[2] + v[3]);
}

static void normalise (const Norm *n, const float *x, float *y, int frames) {
  for (int t = 0; t < frames; t++, x += WIDTH, y += WIDTH) {
    Lanes sum = lanes_all(0), squares = lanes_all(0);
    for (int i = 0; i < WIDTH; i += LANES)
      sum += lanes_load(x + i);
    Lanes mean = lanes_all(sum_of(sum) / WIDTH);
    for (int i = 0; i < WIDTH; i += LANES) {
      Lanes d = lanes_load(x + i) - mean;
      squares += d * d;
    }
    Lanes scale = lanes_all(1 / sqrtf(sum_of(squares) / WIDTH + 1e-5F));
    for (int i = 0; i < WIDTH; i += LANES)
      lanes_store(y + i,
                  (lanes_load(x + i) - mean) * scale * lanes_load(n->gain + i) +
                    lanes_load(n->bias + i));
  }
}

/* --- features ------------------------------------------------------------- */

/* Magnitudes to the power of 0.3. */
static void compress (Spectra *s) {
  for (int t = 0; t < s->frames; t++) {
    float *row = s->rows + (size_t)t * GRID_ROW;
    for (int k = 0; k < 2 * GRID_BINS; k += LANES)
      lanes_store(row + k,
                  lanes_exp(lanes_all(0.15F) *
                            lanes_log(lanes_load(row + k) + lanes_all(1e-9F))));
  }
}

/* The frames around a frame, as far as there are any. */
typedef struct Around {
  int first, end;
} Around;

static Around frames_around (int t, int reach, int frames) {
  Around a = {t - reach, t + reach + 1};
  a.first = a.first < 0 ? 0 : a.first;
  a.end = a.end > frames ? frames : a.end;
  return a;
}

/* To the third plane, by how much the first is above its own mean around; and
** all over the mean of all bins of that. */
static void compare (Spectra *s) {
  double sums[GRID_BINS] = {0};
  int first = 0, end = 0;
  for (int t = 0; t < s->frames; t++) {
    Around a = frames_around(t, REACH, s->frames);
    float *row = s->rows + (size_t)t * GRID_ROW;
    for (; end < a.end; end++)
      for (int k = 0; k < GRID_BINS; k++)
        sums[k] += s->rows[(size_t)end * GRID_ROW + (size_t)k];
    for (; first < a.first; first++)
      for (int k = 0; k < GRID_BINS; k++)
        sums[k] -= s->rows[(size_t)first * GRID_ROW + (size_t)k];
    double level = 0, share = 1.0 / (a.end - a.first);
    for (int k = 0; k < GRID_BINS; k++) {
      level += sums[k] * share;
      row[2 * GRID_BINS + k] = row[k] - (float)(sums[k] * share);
    }
    s->levels[t] = (float)(GRID_BINS / level);
  }
}

/* Plane by plane to band by band. */
static void arrange (const Net *n, float *row, float level) {
  float from[GRID_ROW], *to = row;
  for (int i = 0; i < GRID_ROW; i++)
    from[i] = (row[i] * level - n->mean[i]) * n->scale[i];
  for (int i = 0, bin = 0; i < WIDTHS; i++)
    for (int band = 0; band < widths[i].bands; band++, bin += widths[i].bins)
      for (int plane = 0; plane < GRID_PLANES; plane++, to += widths[i].bins)
        memcpy(to, from + plane * GRID_BINS + bin,
               (size_t)widths[i].bins * sizeof *to);
}

static void make_features (const Net *n, Spectra *s) {
  compress(s);
  compare(s);
  for (int t = 0; t < s->frames; t++)
    arrange(n, s->rows + (size_t)t * GRID_ROW, s->levels[t]);
}

/* --- trunk ---------------------------------------------------------------- */

static int chunk_of (int frames, int t) {
  return frames - t < CHUNK ? frames - t : CHUNK;
}

static void encode (const Net *n, Room *r, const Spectra *s, int t) {
  enum { STEP = BANDS * ENCODED };
  int rows = chunk_of(s->frames, t);
  const float *in = s->rows + (size_t)t * GRID_ROW;
  clear(r->bands, rows, STEP);
  for (int band = 0; band < BANDS; in += n->encode[band++].inputs)
    add_linear(n, &n->encode[band], in, GRID_ROW, 1, rows,
               r->bands + band * ENCODED, STEP);
  relu(r->bands, rows, STEP, STEP);
  add_linear(n, &n->inner, r->bands, STEP, 0, rows, r->x + (size_t)t * WIDTH,
             WIDTH);
}

static void run_block (const Net *n, Room *r, int frames, int i) {
  const Block *b = &n->blocks[i];
  normalise(&b->norm, r->x, r->y, frames);
  clear(r->y + (size_t)frames * WIDTH, FARTHEST, WIDTH);
  for (int t = 0; t < frames; t += CHUNK) {
    int rows = chunk_of(frames, t);
    clear(r->hidden, rows, HIDDEN);
    add_linear(n, &b->conv, r->y + (size_t)t * WIDTH, WIDTH, dilations[i], rows,
               r->hidden, HIDDEN);
    relu(r->hidden, rows, HIDDEN, HIDDEN);
    add_linear(n, &b->out, r->hidden, HIDDEN, 0, rows, r->x + (size_t)t * WIDTH,
               WIDTH);
  }
}

/* What the seconds around a frame are like: mean and deviation of each value,
** which go to 'out'; 'sums' are of values and squares from 'first' to 'end'. */
static void look_around (const Room *r, Around *have, Around a, double *sums,
                         float *out) {
  for (; have->end < a.end; have->end++)
    for (int i = 0; i < WIDTH; i++) {
      double x = r->x[(size_t)have->end * WIDTH + (size_t)i];
      sums[i] += x;
      sums[WIDTH + i] += x * x;
    }
  for (; have->first < a.first; have->first++)
    for (int i = 0; i < WIDTH; i++) {
      double x = r->x[(size_t)have->first * WIDTH + (size_t)i];
      sums[i] -= x;
      sums[WIDTH + i] -= x * x;
    }
  double share = 1.0 / (a.end - a.first);
  for (int i = 0; i < WIDTH; i++) {
    double mean = sums[i] * share, square = sums[WIDTH + i] * share;
    out[i] = (float)mean;
    out[WIDTH + i] = (float)sqrt(fmax(square - mean * mean, 0) + 1e-5);
  }
}

static void pool (const Net *n, Room *r, int frames) {
  double sums[2 * WIDTH] = {0};
  Around have = {0, 0};
  clear(r->y, frames, WIDTH);
  for (int t = 0; t < frames; t += CHUNK) {
    int rows = chunk_of(frames, t);
    for (int i = 0; i < rows; i++)
      look_around(r, &have, frames_around(t + i, REACH, frames), sums,
                  r->hidden + (size_t)i * 2 * WIDTH);
    add_linear(n, &n->pool, r->hidden, 2 * WIDTH, 0, rows,
               r->y + (size_t)t * WIDTH, WIDTH);
  }
  for (size_t i = 0; i < (size_t)frames * WIDTH; i++)
    r->x[i] += r->y[i];
}

/* --- doubt ---------------------------------------------------------------- */

/* Of what a frame shows, what speaks against a lead. */
static void look (const Net *n, Room *r, int frames, float *against) {
  for (int t = 0; t < frames; t += CHUNK) {
    int rows = chunk_of(frames, t);
    const float *seen = r->hidden;
    clear(r->hidden, rows, SEEN);
    add_linear(n, &n->seen, r->y + (size_t)t * WIDTH, WIDTH, 0, rows, r->hidden,
               SEEN);
    relu(r->hidden, rows, SEEN, SEEN);
    for (int i = 0; i < rows; i++, against++, seen += SEEN) {
      *against = 0;
      for (int k = 0; k < SEEN; k++)
        *against += n->doubt[k] * seen[k];
    }
  }
}

/* Where all around speaks against a lead, the masks close; where one begins, they
** have opened before. */
static void doubt (const Net *n, Room *r, int frames) {
  float against[SEGMENT_FRAMES], smooth[SEGMENT_FRAMES];
  look(n, r, frames, against);
  for (int t = 0; t < frames; t++) {
    Around a = frames_around(t, SMOOTH, frames);
    float sum = 0;
    for (int i = a.first; i < a.end; i++)
      sum += against[i];
    smooth[t] = sum / (float)(a.end - a.first);
  }
  for (int t = 0; t < frames; t++) {
    Around a = frames_around(t, LEAST, frames);
    float least = smooth[t];
    for (int i = a.first; i < a.end; i++)
      least = fminf(least, smooth[i]);
    least += n->doubt[SEEN];
    r->doubts[t] = fmaxf(least, 0) + log1pf(expf(-fabsf(least)));
  }
}

/* --- masks ---------------------------------------------------------------- */

static void store_masks (const float *logits, int bins, int rows,
                         const float *doubts, float *masks) {
  for (int r = 0; r < rows; r++, masks += MASKS)
    for (int plane = 0; plane < 2; plane++)
      for (int k = 0; k < bins; k += LANES, logits += LANES) {
        Lanes v = lanes_load(logits) - lanes_all(doubts[r]), one = lanes_all(1);
        lanes_store(masks + plane * GRID_BINS + k, one / (one + lanes_exp(-v)));
      }
}

/* The masks go out once no layer looks at this chunk's rows any more, but for
** the last, which the next chunk looks at. */
static void decode (const Net *n, Room *r, const Spectra *s, int t,
                    float *masks) {
  enum { STEP = BANDS * DECODED };
  int rows = chunk_of(s->frames, t);
  const float *in = s->rows + (size_t)t * GRID_ROW;
  clear(r->bands, rows, STEP);
  add_linear(n, &n->context, r->y + (size_t)t * WIDTH, WIDTH, 0, rows, r->bands,
             STEP);
  float *made = r->masks;
  for (int band = 0; band < BANDS; in += n->decode[band++].inputs) {
    float *context = r->bands + band * DECODED;
    int bins = n->mask[band].outputs / 2;
    add_linear(n, &n->decode[band], in, GRID_ROW, 1, rows, context, STEP);
    relu(context, rows, DECODED, STEP);
    clear(r->hidden, rows, 2 * bins);
    add_linear(n, &n->mask[band], context, STEP, 0, rows, r->hidden,
               (size_t)(2 * bins));
    store_masks(r->hidden, bins, rows, r->doubts + t, made);
    made += bins;
  }
  for (int i = 0; i < rows; i++)
    memcpy(masks + (size_t)(t + i) * GRID_ROW, r->masks + (size_t)i * MASKS,
           MASKS * sizeof *masks);
}

void net_run (const Net *n, Room *r, Spectra *s, float *masks) {
  make_features(n, s);
  clear(r->x, s->frames, WIDTH);
  for (int t = 0; t < s->frames; t += CHUNK)
    encode(n, r, s, t);
  for (int i = 0; i < BLOCKS; i++) {
    if (i == POOLED)
      pool(n, r, s->frames);
    run_block(n, r, s->frames, i);
  }
  normalise(&n->norm, r->x, r->y, s->frames);
  doubt(n, r, s->frames);
  for (int t = 0; t < s->frames; t += CHUNK)
    decode(n, r, s, t, masks);
}
