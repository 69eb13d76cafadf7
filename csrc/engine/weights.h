/* The features of the mask and their weights. */

#ifndef CAMB_ENGINE_WEIGHTS_H
#define CAMB_ENGINE_WEIGHTS_H

enum { HATS = 9 }; /* triangles over frequency, an octave apart */

/* In the order of weights_names. */
typedef enum Feature {
  /* log ratio of a running median of the magnitude to the magnitude itself:
  ** along time over 3, 0.3 and 0.8 s, along frequency over 200 Hz and 1 kHz */
  FEATURE_TIME_LONG,
  FEATURE_TIME_SHORT,
  FEATURE_TIME_MIDDLE,
  FEATURE_BAND_NARROW,
  FEATURE_BAND_WIDE,
  /* pitch: comb on the lead's harmonics, the same where the frame is voiced,
  ** how voiced the frame is, salience on the path */
  FEATURE_COMB,
  FEATURE_COMB_VOICED,
  FEATURE_VOICED,
  FEATURE_SALIENCE,
  /* activity: the lead's energy against its loud moments, its share in the
  ** frame, its share around the bin, the bin against its mean over time */
  FEATURE_ACTIVE,
  FEATURE_SHARE,
  FEATURE_LOCAL_SHARE,
  FEATURE_RISE,
  /* stereo: energy off the lead's axis, per bin, smoothed, per frequency over
  ** time; and whether the mixture is stereo at all */
  FEATURE_OFF_AXIS,
  FEATURE_OFF_AXIS_SMOOTH,
  FEATURE_OFF_AXIS_MEAN,
  FEATURE_STEREO,
  FEATURE_HAT, /* and HATS - 1 more */
  FEATURES = FEATURE_HAT + HATS
} Feature;

typedef struct Weights {
  float bias;
  float of[FEATURES];
} Weights;

/* Fitted by spec/bench/weights/fit.py, with its usual arguments, to what the
** stems of 180 random mixtures gain in dB. */
extern const Weights weights_fitted;

/* Short names of the features, for benches. */
extern const char *const weights_names[FEATURES];

#endif
