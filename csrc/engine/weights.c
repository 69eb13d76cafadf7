/* The features of the mask and their weights. */

#include "engine/weights.h"

const Weights weights_fitted = {
  .bias = -1.3967F,
  .of =
    {
      [FEATURE_TIME_LONG] = -0.1083F,
      [FEATURE_TIME_SHORT] = 0.1475F,
      [FEATURE_TIME_MIDDLE] = 0.1370F,
      [FEATURE_BAND_NARROW] = 0.2240F,
      [FEATURE_BAND_WIDE] = -0.0805F,
      [FEATURE_COMB] = 0.6371F,
      [FEATURE_COMB_VOICED] = 1.4541F,
      [FEATURE_VOICED] = 1.0829F,
      [FEATURE_SALIENCE] = 0.5974F,
      [FEATURE_ACTIVE] = 0.5629F,
      [FEATURE_SHARE] = -0.0345F,
      [FEATURE_LOCAL_SHARE] = 1.3215F,
      [FEATURE_RISE] = 0.6816F,
      [FEATURE_OFF_AXIS] = -0.7288F,
      [FEATURE_OFF_AXIS_SMOOTH] = -0.7996F,
      [FEATURE_OFF_AXIS_MEAN] = -0.1925F,
      [FEATURE_STEREO] = -1.0461F,
      [FEATURE_HAT + 0] = -3.1089F,
      [FEATURE_HAT + 1] = 1.7009F,
      [FEATURE_HAT + 2] = 2.7831F,
      [FEATURE_HAT + 3] = 2.3984F,
      [FEATURE_HAT + 4] = 1.7684F,
      [FEATURE_HAT + 5] = 1.4143F,
      [FEATURE_HAT + 6] = 1.8874F,
      [FEATURE_HAT + 7] = 0.6685F,
      [FEATURE_HAT + 8] = 0.2753F,
    },
};

const char *const weights_names[FEATURES] = {
  "med3s", "h_3",  "h_8", "p200", "p1k",  "comb", "combv", "vz", "sal",
  "act",   "fgsh", "loc", "rel",  "pan1", "pan2", "pang",  "st", "f0",
  "f1",    "f2",   "f3",  "f4",   "f5",   "f6",   "f7",    "f8",
};
