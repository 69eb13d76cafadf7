/* The features of the mask and their weights. */

#include "engine/weights.h"

const Weights weights_fitted = {
  .bias = -0.6257F,
  .of =
    {
      [FEATURE_TIME_LONG] = -0.7007F,
      [FEATURE_TIME_SHORT] = -0.8045F,
      [FEATURE_TIME_MIDDLE] = 1.2115F,
      [FEATURE_BAND_NARROW] = 0.0774F,
      [FEATURE_BAND_WIDE] = 0.4451F,
      [FEATURE_COMB] = 1.8835F,
      [FEATURE_COMB_VOICED] = -0.2386F,
      [FEATURE_VOICED] = -0.1870F,
      [FEATURE_SALIENCE] = 0.5248F,
      [FEATURE_ACTIVE] = 0.3770F,
      [FEATURE_SHARE] = 0.0588F,
      [FEATURE_LOCAL_SHARE] = 1.1625F,
      [FEATURE_RISE] = 0.7159F,
      [FEATURE_OFF_AXIS] = -0.5456F,
      [FEATURE_OFF_AXIS_SMOOTH] = -0.5032F,
      [FEATURE_OFF_AXIS_MEAN] = -0.0935F,
      [FEATURE_STEREO] = -0.9696F,
      [FEATURE_HAT + 0] = -3.4838F,
      [FEATURE_HAT + 1] = 1.5828F,
      [FEATURE_HAT + 2] = 2.8272F,
      [FEATURE_HAT + 3] = 1.5364F,
      [FEATURE_HAT + 4] = 0.9272F,
      [FEATURE_HAT + 5] = 1.4666F,
      [FEATURE_HAT + 6] = 1.6480F,
      [FEATURE_HAT + 7] = -1.0760F,
      [FEATURE_HAT + 8] = -5.5879F,
    },
};

const char *const weights_names[FEATURES] = {
  "med3s", "h_3",  "h_8", "p200", "p1k",  "comb", "combv", "vz", "sal",
  "act",   "fgsh", "loc", "rel",  "pan1", "pan2", "pang",  "st", "f0",
  "f1",    "f2",   "f3",  "f4",   "f5",   "f6",   "f7",    "f8",
};
