// Written by tools/coefficients.py; not to be edited. Errors are measured on a grid by the same script.
// clang-format off
#pragma once
#include "number.hpp"

namespace softfloor {
namespace {
namespace coefficients {

// (e^r - sum of r^j/j!, j < 2) / r^2 on |r| <= ln(2)/2: error of e^r 2^-32.1
constexpr double exp_double[] = {
    0x1.0000000ba132cp-1,
    0x1.5555555a800cdp-3,
    0x1.5554e8a22b84cp-5,
    0x1.1110e0c5c7f50p-7,
    0x1.6d43af18200d3p-10,
    0x1.a1256cd2f13c2p-13};
// (e^r - sum of r^j/j!, j < 3) / r^3 on |r| <= ln(2)/2: error of e^r 2^-60.9
constexpr double exp_pair[] = {
    0x1.5555555555556p-3,
    0x1.5555555555555p-5,
    0x1.11111111109a6p-7,
    0x1.6c16c16c167dap-10,
    0x1.a01a01a7cebcdp-13,
    0x1.a01a01a48116fp-16,
    0x1.71de0d85293b8p-19,
    0x1.27e4e1dcf773bp-22,
    0x1.af390ba7e6f47p-26,
    0x1.1f6717774d5e0p-29};

// ln 2 = ln2_grid + ln2_rest, ln2_grid a multiple of 2^-15.
constexpr float ln2_grid = 0x1.62e4000000000p-1f;
constexpr float ln2_rest = 0x1.7f7d1c0000000p-20f;
// (e^r - 1 - r) / r^2 on |r| <= ln(2)/2: error of e^r 2^-28.0
constexpr float exp_float[] = {
    0x1.fffffc0000000p-2f,
    0x1.5554920000000p-3f,
    0x1.5558f20000000p-5f,
    0x1.1239e20000000p-7f,
    0x1.6a24340000000p-10f};

// tanh |x| by octaves: relative error 2^-26.5 where the value at the point is exact
constexpr float tanh_end = 0x1.2400000000000p+3f, tanh_octave_0 = 0.125f;
constexpr float tanh_points[8] = {0x1.0015800000000p+2f, 0x1.c000000000000p+2f, 0x1.1352640000000p+3f, 0x1.1352640000000p+3f, 0x0.0p+0f, 0x1.713fd80000000p-2f, 0x1.6681660000000p-1f, 0x1.8059800000000p+0f};
constexpr float tanh_values[8] = {0x1.ffa8520000000p-1f, 0x1.ffffc80000000p-1f, 0x1.fffffe0000000p-1f, 0x1.fffffe0000000p-1f, 0x0.0p+0f, 0x1.62092c0000000p-2f, 0x1.3580d40000000p-1f, 0x1.cf8fe60000000p-1f};
constexpr float tanh_slopes[9][8] = {
    {0x1.5e84840000000p-10f, 0x1.ba43060000000p-19f, 0x1.20f2560000000p-23f, 0x1.20f2560000000p-23f, 0x0.0p+0f, 0x1.c2cc540000000p-1f, 0x1.44e7e00000000p-1f, 0x1.712c5a0000000p-3f},
    {-0x1.5fec900000000p-10f, -0x1.b42b320000000p-19f, -0x1.20f2540000000p-23f, -0x1.20f2540000000p-23f, 0x0.0p+0f, -0x1.37b75a0000000p-2f, -0x1.88cf620000000p-2f, -0x1.4e3f500000000p-3f},
    {0x1.beb7ee0000000p-11f, 0x1.4639700000000p-19f, 0x1.8143020000000p-24f, 0x1.8143020000000p-24f, -0x1.5555560000000p-2f, -0x1.8185160000000p-3f, 0x1.4d96420000000p-6f, 0x1.6722a00000000p-4f},
    {-0x1.25c0ea0000000p-11f, -0x1.51705c0000000p-20f, -0x1.8143ca0000000p-25f, -0x1.8143ca0000000p-25f, 0x0.0p+0f, 0x1.5519860000000p-3f, 0x1.d955480000000p-4f, -0x1.99604a0000000p-6f},
    {-0x1.8371220000000p-16f, 0x1.929eb60000000p-25f, 0x1.343ac20000000p-26f, 0x1.343ac20000000p-26f, 0x1.1110cc0000000p-3f, 0x1.952b260000000p-6f, -0x1.0023bc0000000p-4f, -0x1.5451900000000p-9f},
    {-0x1.0ed7c20000000p-12f, -0x1.aac4400000000p-23f, -0x1.9ab8020000000p-28f, -0x1.9ab8020000000p-28f, 0x0.0p+0f, -0x1.221e7e0000000p-4f, -0x1.2ee0b60000000p-7f, 0x1.d16bcc0000000p-8f},
    {-0x1.a54ba60000000p-14f, 0x1.0617ee0000000p-22f, 0x1.d3f1120000000p-30f, 0x1.d3f1120000000p-30f, -0x1.b9c4e00000000p-5f, 0x1.4ec1ce0000000p-7f, 0x1.9f31d80000000p-6f, -0x1.05dd6a0000000p-8f},
    {-0x1.524eb60000000p-15f, 0x1.e0c01c0000000p-24f, -0x1.e4622a0000000p-32f, -0x1.e4622a0000000p-32f, 0x0.0p+0f, 0x1.8ce8640000000p-6f, -0x1.1b3ac40000000p-7f, 0x1.a5f4840000000p-11f},
    {-0x1.eb2bbc0000000p-19f, 0x1.ba4d6e0000000p-26f, 0x1.d51e300000000p-34f, 0x1.d51e300000000p-34f, 0x1.54c5880000000p-6f, -0x1.6e7c180000000p-7f, -0x1.3b00fe0000000p-9f, 0x1.59e6c80000000p-12f}};

// e^(t^2/2) erfc(t/sqrt 2) on [0, 14.5]: relative error 2^-33.4
constexpr double tail_numerator[] = {
    0x1.0000000000000p+0,
    0x1.0376283883fb0p+0,
    0x1.ffb9a3b2c49e4p-2,
    0x1.22d4a5dbac723p-3,
    0x1.7b3791828629dp-6,
    0x1.ce5da2f60f4e5p-10};
constexpr double tail_denominator[] = {
    0x1.0000000000000p+0,
    0x1.cfb851c07d4c4p+0,
    0x1.71ed24a361f49p+0,
    0x1.4f7a06e5e6016p-1,
    0x1.710a897a68acap-3,
    0x1.db4663bf657c5p-6,
    0x1.21bec25b46e34p-9};
// The same in 1 + t, 16 intervals per octave, as powers of the distance from the middle; the
// constant term in two parts. Relative error 2^-58.9
constexpr int tail_table_bits = 4;
constexpr int tail_table_rows = 85;
constexpr int tail_table_columns = 11;
constexpr double tail_table[tail_table_columns][tail_table_rows] = {
    {0x1.f37ad1006a936p-1, 0x1.dbd8166ce44cdp-1, 0x1.c5ef7f50cd573p-1, 0x1.b19874809ed46p-1, 0x1.9eaeb60e6fe9ap-1, 0x1.8d11d61fb3fd7p-1, 0x1.7ca4c53a9ec95p-1, 0x1.6d4d6d931e63ep-1, 0x1.5ef45b3e8f89fp-1, 0x1.51846f855d366p-1, 0x1.44ea9dcd2a5c6p-1, 0x1.3915b0cf0a715p-1, 0x1.2df616fd65ec5p-1, 0x1.237db525e18d3p-1, 0x1.199fbe7e2a508p-1, 0x1.10509167e153ep-1, 0x1.034ea2fb1d9acp-1, 0x1.e71ea0b6d3bbcp-2, 0x1.cad0f1473e897p-2, 0x1.b1480a1beb5c2p-2, 0x1.9a28d2051dd86p-2, 0x1.852632ebdcfd0p-2, 0x1.71fea482e5ef7p-2, 0x1.607a314e4d3a1p-2, 0x1.5068dc2714e63p-2, 0x1.41a1523c2dabfp-2, 0x1.33ffda057cb5dp-2, 0x1.2765730324f6dp-2, 0x1.1bb71cbeb8b87p-2, 0x1.10dd3d86c5b6bp-2, 0x1.06c322ec41bf1p-2, 0x1.faad2e80766fap-3, 0x1.e0ad19879ee09p-3, 0x1.c1b2d075ab928p-3, 0x1.a64c9ca8e3dcdp-3, 0x1.8dea017d68d0dp-3, 0x1.78167be545a31p-3, 0x1.64733899b5f9ep-3, 0x1.52b2606bb4b6ep-3, 0x1.42938a456b3f9p-3, 0x1.33e1040c166bap-3, 0x1.266dba753c377p-3, 0x1.1a1397a9fec96p-3, 0x1.0eb23b967175fp-3, 0x1.042df8887cb8dp-3, 0x1.f4de089ab1cc0p-4, 0x1.e2c1a3f78ab73p-4, 0x1.d1e317038a1d6p-4, 0x1.baa643d0bc394p-4, 0x1.9eff960c1b22bp-4, 0x1.868e8a7fd36a7p-4, 0x1.70cd6ecd2d1d2p-4, 0x1.5d51cf8a05c9fp-4, 0x1.4bc5ec31f3a31p-4, 0x1.3be3f4b011168p-4, 0x1.2d72860e37a4dp-4, 0x1.204209712d63dp-4, 0x1.142ab60052c49p-4, 0x1.090b09bddb32cp-4, 0x1.fd8d34a831a80p-5, 0x1.ea8a4f6bea760p-5, 0x1.d8e3c11cd9536p-5, 0x1.c87599881f0e6p-5, 0x1.b920aac0c3310p-5, 0x1.a3f60aa9bd409p-5, 0x1.8ab2c3316260bp-5, 0x1.744b1726113e4p-5, 0x1.6049db9f9947cp-5, 0x1.4e5196c6d7b0cp-5, 0x1.3e16cfeea5d29p-5, 0x1.2f5bef0690bbap-5, 0x1.21ee316bae682p-5, 0x1.15a362d79317bp-5, 0x1.0a58233e9b81ep-5, 0x1.ffdd26ef3a496p-6, 0x1.ec9a9bbf68566p-6, 0x1.dabd2fbb5023ap-6, 0x1.ca1f7ce8abe3ep-6, 0x1.baa1278eb1e09p-6, 0x1.ac260c297c34cp-6, 0x1.981e7e622ac57p-6, 0x1.80279d9411b75p-6, 0x1.6ad8b9ce9823ep-6, 0x1.57c6c7a33032fp-6, 0x1.469c1154bd34ep-6},
    {0x1.ec54f5e4251c6p-58, -0x1.bcee72adaea37p-55, -0x1.4f42bfc8b591bp-63, 0x1.20404b86a5ee5p-57, 0x1.228bf66b81d43p-55, 0x1.f0084ee1abdf2p-55, -0x1.0b789bafd9a77p-55, 0x1.75650e223184bp-58, 0x1.770aec6b0559ep-55, 0x1.5f33026c7889fp-55, 0x1.ffb2c2aefc3bbp-56, 0x1.825d62898788bp-57, -0x1.b3a9a468e95b3p-55, -0x1.8364530fe76c7p-56, 0x1.29897806b1037p-55, -0x1.183fed2c5cc4ep-55, -0x1.1b2acc4b69972p-58, -0x1.940a06c90de5ap-56, 0x1.05d41ab831ecap-56, 0x1.c0223241771c7p-59, -0x1.c60a1e4ad32f8p-56, -0x1.2934e61fa6b54p-56, -0x1.dde9d145aee62p-56, -0x1.15cfdecdda3bbp-56, -0x1.4126e75e7cbb8p-58, -0x1.47c4710928022p-60, -0x1.003e7ebf11c3ep-56, 0x1.775d5d084d768p-58, -0x1.9ec5395531cd7p-56, -0x1.fb958c0e9dc88p-63, 0x1.98da790622a7dp-56, 0x1.9dc179624c673p-57, 0x1.4dd318815f0cbp-57, 0x1.489adc2043f93p-57, 0x1.d560c5053435fp-57, -0x1.7e41db5d3ab2dp-57, -0x1.48c00aca4a286p-59, 0x1.6cb56228aa65ap-58, -0x1.d8ae5939ca861p-59, -0x1.65ef9d6bb845dp-60, 0x1.26cd7f4d1f1c1p-57, 0x1.86066556d648bp-58, -0x1.342651a747fcep-59, 0x1.4d0b9caab2067p-58, 0x1.c1cf67aee1e3bp-58, 0x1.d92ec8f88281ep-61, 0x1.a043c1b0185a8p-59, 0x1.dcc59366cd99ep-58, -0x1.0db44b27b1535p-59, -0x1.5331dd5a97819p-59, 0x1.645af8267c6efp-65, -0x1.b4385c1a35149p-59, 0x1.70feda0dca538p-58, 0x1.2a4c13437a0c5p-58, -0x1.242514b002a5cp-58, -0x1.d75ac5573739cp-60, 0x1.fb539fd76a4b3p-58, -0x1.957e941935964p-61, -0x1.d842b26440dbfp-60, 0x1.0be137d7e5787p-59, -0x1.3314d47a24668p-59, -0x1.8f1ac7ba1349ap-60, 0x1.69020fc8bfa6fp-66, -0x1.38f88fe99cd3bp-59, -0x1.16f03258f14edp-59, 0x1.94100f703cc2dp-59, 0x1.047b32e4f5060p-61, -0x1.4550dbc780528p-60, 0x1.5f39adfe28537p-60, -0x1.0955a9de938a6p-59, -0x1.f3768d25ba010p-59, 0x1.a8b5398c5a980p-60, 0x1.caed56f466136p-60, -0x1.c25d9566a1c0ep-60, -0x1.b6155e416752ap-61, -0x1.ed76caf3f3a71p-60, 0x1.72aee738cec38p-60, 0x1.b1dac3b0be694p-61, 0x1.f910dcde77dd1p-60, 0x1.f9df35d0597a3p-60, -0x1.62642a467524cp-65, -0x1.06d065d18015dp-61, 0x1.f635c370af7d9p-60, 0x1.653f41f458273p-63, 0x1.765d2ab361b97p-60},
    {-0x1.88e87cb540107p-1, -0x1.6be811230dfddp-1, -0x1.5196e758a34f7p-1, -0x1.39aaf9c120a69p-1, -0x1.23e3300933eb5p-1, -0x1.100631a25d85ep-1, -0x1.fbc2c63ae5c68p-2, -0x1.da900fc09a4c7p-2, -0x1.bc2505880e478p-2, -0x1.a03b620c28198p-2, -0x1.8694b75d3f30dp-2, -0x1.6ef97850e7c73p-2, -0x1.5938228e9788ep-2, -0x1.452484ca9a2bdp-2, -0x1.32971d35da182p-2, -0x1.216c8cc14237ap-2, -0x1.0a018c24e7e14p-2, -0x1.dd288f42d6b65p-3, -0x1.adacd39a096b5p-3, -0x1.84622fe4c8eb4p-3, -0x1.6051bca510501p-3, -0x1.40b0611903be5p-3, -0x1.24d6389a8c105p-3, -0x1.0c37cde5a2533p-3, -0x1.ecc181a7aebd4p-4, -0x1.c5df0a5b8b87dp-4, -0x1.a323f9375996ap-4, -0x1.8405788b72c1dp-4, -0x1.680db34735c61p-4, -0x1.4ed844814dbc6p-4, -0x1.380f510837829p-4, -0x1.236928b763585p-4, -0x1.07e8ba5a7a2cap-4, -0x1.d157359faa169p-5, -0x1.9cee54434e4e6p-5, -0x1.709a1cbc5dac5p-5, -0x1.4ad2378d394e2p-5, -0x1.2a64d55245bb9p-5, -0x1.0e613c0ba7198p-5, -0x1.ec10571515f24p-6, -0x1.c180c1b8d563cp-6, -0x1.9c1c15f74f50cp-6, -0x1.7b18bec6a33b7p-6, -0x1.5dd1770997f99p-6, -0x1.43bdd5888d40ap-6, -0x1.2c6c8c3fb6cf0p-6, -0x1.177eee8890aa5p-6, -0x1.04a56ec716788p-6, -0x1.d7697206344a4p-7, -0x1.9f2e786246dc4p-7, -0x1.70551a5c57d15p-7, -0x1.48e88336834c6p-7, -0x1.276ed16b2ce13p-7, -0x1.0ac6d8189d91fp-7, -0x1.e420ddd6c01d5p-8, -0x1.b9378d144fc9ep-8, -0x1.93bafb0dc8509p-8, -0x1.72cbf664ea2b4p-8, -0x1.55b62945dfaadp-8, -0x1.3be6a39de992cp-8, -0x1.24e4bbf29daa6p-8, -0x1.104ca43c50b28p-8, -0x1.fb968007bc3b4p-9, -0x1.da35d38f73e15p-9, -0x1.adf8e8d40e81cp-9, -0x1.7bf9f255f14cfp-9, -0x1.5231eba088f1cp-9, -0x1.2eed4cba2a15dp-9, -0x1.10e37aec859b8p-9, -0x1.ee31a6fdde8b5p-10, -0x1.c19418e1d1e8ap-10, -0x1.9abb7bac452e5p-10, -0x1.78b42146b4722p-10, -0x1.5aba8aca8c5e7p-10, -0x1.40306d41e5261p-10, -0x1.28948581fb0f6p-10, -0x1.137c70950cccbp-10, -0x1.008ffc149c24ap-10, -0x1.df0b16dda7f33p-11, -0x1.c03e96e40ae92p-11, -0x1.97536c627e64bp-11, -0x1.68ef3fc249186p-11, -0x1.4208d360f2903p-11, -0x1.2118ade8a22c1p-11, -0x1.04f64d5b8ba62p-11},
    {0x1.e7338d1ac092dp-2, 0x1.b9ba54d19afd0p-2, 0x1.912feb2af3d2cp-2, 0x1.6cfb0dde5faffp-2, 0x1.4c96d08bd94f7p-2, 0x1.2f8fb50fe3d77p-2, 0x1.158134f6a81cfp-2, 0x1.fc2753c3f473fp-3, 0x1.d1f50b8cd77dfp-3, 0x1.abe59cd3829dbp-3, 0x1.8983a3452340cp-3, 0x1.6a681323ee4b8p-3, 0x1.4e3852fb6575ap-3, 0x1.34a49a40d1056p-3, 0x1.1d668a8386fb3p-3, 0x1.083ffa748a81ep-3, 0x1.d7f7421e09ab4p-4, 0x1.979d174e487e3p-4, 0x1.61af0cd450b58p-4, 0x1.3442ef5ef5e5ap-4, 0x1.0dd1ed4852335p-4, 0x1.da4583fb07513p-5, 0x1.a27204db5c025p-5, 0x1.7290875f5fe58p-5, 0x1.495455327b323p-5, 0x1.25ad624875768p-5, 0x1.06bc37c5f3aabp-5, 0x1.d790ec715845ap-6, 0x1.a872af28d22c3p-6, 0x1.7f1f7bff2be0dp-6, 0x1.5ac2ef93d5ba5p-6, 0x1.3aaaeacc7217ap-6, 0x1.1145d968ffe34p-6, 0x1.c889d9b7a0725p-7, 0x1.80a5025f2728bp-7, 0x1.46a5ad37708b2p-7, 0x1.176d94dd1451cp-7, 0x1.e14ef47b9b492p-8, 0x1.a11f2fe3b8144p-8, 0x1.6b9953491dfd8p-8, 0x1.3ea87f1adb7b2p-8, 0x1.18adbb312ed24p-8, 0x1.f0c630ca8071bp-9, 0x1.b98d056cbb551p-9, 0x1.8a14217e126afp-9, 0x1.6110915267211p-9, 0x1.3d768e55b1d22p-9, 0x1.1e6c09d5b7e4ep-9, 0x1.edd68f639a955p-10, 0x1.99522d9ccf939p-10, 0x1.56d8ea131b459p-10, 0x1.21e3e931b02abp-10, 0x1.ee6b5986795ecp-11, 0x1.a8e534fce64b1p-11, 0x1.6fb9a49f80e91p-11, 0x1.404cd12482481p-11, 0x1.18a43adf22ca7p-11, 0x1.ee76871b66657p-12, 0x1.b5c9122df9f99p-12, 0x1.8567f9215988dp-12, 0x1.5bde088554f07p-12, 0x1.3801b54ba8242p-12, 0x1.18e3e04eda650p-12, 0x1.fb85dc422ea0fp-13, 0x1.b6748e2799411p-13, 0x1.6c80a460c49adp-13, 0x1.323eb73dbadc9p-13, 0x1.03bd742c4f3e8p-13, 0x1.bc58f694db387p-14, 0x1.7f00f403414c9p-14, 0x1.4c6e4ed7b34a2p-14, 0x1.225e768dc3917p-14, 0x1.fe34cf4d27cc6p-15, 0x1.c2a1f7101325bp-15, 0x1.8ff8ce3514a6bp-15, 0x1.649ea02084d3ep-15, 0x1.3f4e3b2223da7p-15, 0x1.1f03e3f5c2b33p-15, 0x1.02ee7a5b0c6c6p-15, 0x1.d4c8b0439d275p-16, 0x1.9623ff58c14f4p-16, 0x1.52d3ab481aacap-16, 0x1.1d98030e83590p-16, 0x1.e5e47bbe7a4c0p-17, 0x1.a0c2893a95100p-17},
    {-0x1.00dd1f008e097p-2, -0x1.c999c6e1a3a2ap-3, -0x1.985436a1b5ae9p-3, -0x1.6cff5afbbd947p-3, -0x1.46d2a39cb7258p-3, -0x1.2521fe04d87bdp-3, -0x1.075985cf20fc8p-3, -0x1.d9f3cad391570p-4, -0x1.ab2a9348dc0d6p-4, -0x1.81999f51d1c39p-4, -0x1.5c9cb2636a2a1p-4, -0x1.3ba56c9552dacp-4, -0x1.1e382d85da894p-4, -0x1.03e96f9f02a77p-4, -0x1.d8b71130ad263p-5, -0x1.ae797e8228573p-5, -0x1.770a518d237dfp-5, -0x1.398461e5cf8e2p-5, -0x1.076d443e45ef9p-5, -0x1.bcdadf96c07a1p-6, -0x1.79649e0c2ae9bp-6, -0x1.419d791da1bf9p-6, -0x1.1346d11310fd7p-6, -0x1.d93441bcff54cp-7, -0x1.985c1a1eff2e1p-7, -0x1.61c3bcf61d7adp-7, -0x1.339b974694edbp-7, -0x1.0c6dc13bad3e0p-7, -0x1.d616905afb5e3p-8, -0x1.9cfb465f415c1p-8, -0x1.6bf6adc1713d3p-8, -0x1.41be16dbfda51p-8, -0x1.0ce0d802613dfp-8, -0x1.ab64ca43e3982p-9, -0x1.572ee09b0ee6ep-9, -0x1.163344f8d8b29p-9, -0x1.c70ceb0d2e4b8p-10, -0x1.773c5147333d0p-10, -0x1.37ccd92ab1db5p-10, -0x1.04f2886a87687p-10, -0x1.b7b3f3ef2c88dp-11, -0x1.74c6c48d0439dp-11, -0x1.3de42fad5f1f0p-11, -0x1.10944b3d44470p-11, -0x1.d5de530098893p-12, -0x1.96f209810d5f3p-12, -0x1.62100e221e022p-12, -0x1.3561dc49094e8p-12, -0x1.fd4001a956455p-13, -0x1.8de7aedd23e39p-13, -0x1.3b1e14b84db12p-13, -0x1.f934b15c6e4a7p-14, -0x1.99759c3d1d94ep-14, -0x1.4f31f7c0342ecp-14, -0x1.14eae8dd93e6fp-14, -0x1.cd63573573c10p-15, -0x1.8356b5ffe5b5bp-15, -0x1.477c877729457p-15, -0x1.16b3e4720bd3ep-15, -0x1.dd4307c768666p-16, -0x1.9af44c111ba24p-16, -0x1.63b97a6ebbbc1p-16, -0x1.356ebf36892bep-16, -0x1.0e676b12d0c82p-16, -0x1.bd5509e5f54f9p-17, -0x1.5c6d9b62273fdp-17, -0x1.147111ac2bb48p-17, -0x1.bc2999f4491fep-18, -0x1.68d8713555973p-18, -0x1.2824c890f3cb2p-18, -0x1.ea949ffb50efbp-19, -0x1.99c34df16fa3dp-19, -0x1.58e606b224540p-19, -0x1.245bc17e785b7p-19, -0x1.f2e13f7640c6ep-20, -0x1.ac368966bf54dp-20, -0x1.719d04f2a62afp-20, -0x1.40b167a3a6599p-20, -0x1.1798d930b1fbbp-20, -0x1.e9be84cc29e5cp-21, -0x1.949162513fc83p-21, -0x1.3dcd0790e5c27p-21, -0x1.fa2a81a75640dp-22, -0x1.980bd4196aeb2p-22, -0x1.4c943d2695514p-22},
    {0x1.df2ca422bf260p-4, 0x1.a4471f7f09c88p-4, 0x1.714956e653a67p-4, 0x1.450f1fead89c8p-4, 0x1.1ea13189d0ebbp-4, 0x1.fa5bbace1f847p-5, 0x1.c0060b912caf1p-5, 0x1.8d12303a5fed0p-5, 0x1.607dbc6d7e507p-5, 0x1.396c018739664p-5, 0x1.172038bc854c0p-5, 0x1.f1f1403c8a80ap-6, 0x1.bcd4c2663968ep-6, 0x1.8dfc3e5378d2ep-6, 0x1.649a213d005bep-6, 0x1.3ffd1ba20a310p-6, 0x1.10b9c6cb322a0p-6, 0x1.baecfa5bdcb43p-7, 0x1.699eb017097adp-7, 0x1.28c88e09ab382p-7, 0x1.e99a7e2e6b02fp-8, 0x1.95d14b9428c81p-8, 0x1.51f3aec43d0afp-8, 0x1.1ab66f0fb7049p-8, 0x1.db135eea1408ep-9, 0x1.90d95bc785646p-9, 0x1.53991144a23f7p-9, 0x1.20d651e143434p-9, 0x1.ed30eaba32244p-10, 0x1.a69aa2dcba292p-10, 0x1.6b65f59f50471p-10, 0x1.398d480b954c3p-10, 0x1.f9b1853b27981p-11, 0x1.7fb33c3a9ab0ap-11, 0x1.268a1b4b461aap-11, 0x1.c9201333e2edfp-12, 0x1.66575d52d9b5dp-12, 0x1.1b93ee574d088p-12, 0x1.c4d2a6535011dp-13, 0x1.6c8de83a99938p-13, 0x1.27c9b6ad4e144p-13, 0x1.e382f227490c2p-14, 0x1.8dea6df5c75c8p-14, 0x1.4999b7561abfbp-14, 0x1.12af4f8d04f06p-14, 0x1.cc7b1bf92919cp-15, 0x1.84142a1727479p-15, 0x1.48bf086f4f529p-15, 0x1.02a46f13bfe93p-15, 0x1.7d9bc36c1abb7p-16, 0x1.1e1e4b523f274p-16, 0x1.b36306663dca2p-17, 0x1.4fb5cdfdf8f2cp-17, 0x1.0604f0ab075eep-17, 0x1.9d9548742b493p-18, 0x1.49c25193864d6p-18, 0x1.09685ce6f36c3p-18, 0x1.aef4048c98db0p-19, 0x1.60b38beb3a4f5p-19, 0x1.22d1ddce7474ap-19, 0x1.e2ee61cabb69dp-20, 0x1.9394051fd9b38p-20, 0x1.534f809228bc4p-20, 0x1.1ee5daefc850fp-20, 0x1.c28b243a5c345p-21, 0x1.4be708e5db755p-21, 0x1.f185f4b88f983p-22, 0x1.7ab3958c2a07bp-22, 0x1.244b26f7af5e6p-22, 0x1.c8e984c59799fp-23, 0x1.6939ad6d210d4p-23, 0x1.2091e000f2fcap-23, 0x1.d17abbc1bd196p-24, 0x1.7abb6335c1705p-24, 0x1.36a7d16cbb074p-24, 0x1.00bb2bb75506ap-24, 0x1.ab4ae19d3e107p-25, 0x1.65e3a802ac653p-25, 0x1.2d9222286f114p-25, 0x1.ff19b10557ecbp-26, 0x1.929d078638060p-26, 0x1.29d33e28facf8p-26, 0x1.c03440c842fafp-27, 0x1.566fe04cc5fabp-27, 0x1.093cca5b3d44dp-27},
    {-0x1.94fe0926dc467p-5, -0x1.5e51f452f4111p-5, -0x1.2f952fdfc701ep-5, -0x1.078e2931a5cd6p-5, -0x1.ca6cc1088b13dp-6, -0x1.8f635ff1d135ap-6, -0x1.5c8e4103d20cap-6, -0x1.30b60604b69e5p-6, -0x1.0ad4242fd2f6cp-6, -0x1.d415b162af999p-7, -0x1.9b3cffa27ee20p-7, -0x1.69e01e771df19p-7, -0x1.3ef0ff496cbd6p-7, -0x1.1989f728a5f19p-7, -0x1.f1cec3680fe0dp-8, -0x1.b8c4a1cc46bbbp-8, -0x1.703f664ef626bp-8, -0x1.233cd8eaa7130p-8, -0x1.cf43d4af5e3e9p-9, -0x1.72778f33186c4p-9, -0x1.29d3a1369dae8p-9, -0x1.e15090bd7265ap-10, -0x1.86dadfa0a6105p-10, -0x1.3eec09d62d27dp-10, -0x1.05702eb0961fap-10, -0x1.ae8f95a9c50c1p-11, -0x1.6416b7563707cp-11, -0x1.27bd4aae33615p-11, -0x1.ed3d8658cad82p-12, -0x1.9cf1363cc5aa4p-12, -0x1.5b09902b0d8e0p-12, -0x1.24baaca4d2c47p-12, -0x1.c89666352697fp-13, -0x1.4bab64a59a59ep-13, -0x1.e80aff312c896p-14, -0x1.6b64b11b48ad3p-14, -0x1.11a2a29b180edp-14, -0x1.a07683ce14a49p-15, -0x1.4013a0124ab2cp-15, -0x1.f09a585a2ba76p-16, -0x1.84a33f3c67d3dp-16, -0x1.32ab72455f743p-16, -0x1.e7c484a2b79b3p-17, -0x1.86c53ae83c9cep-17, -0x1.3b3f3ad209225p-17, -0x1.ffff29217fe84p-18, -0x1.a25e29f38c9f6p-18, -0x1.57e273ac0cf17p-18, -0x1.02f302442d8acp-18, -0x1.693d472a894b9p-19, -0x1.00bdf3dbfc41ep-19, -0x1.73381e54fc6d4p-20, -0x1.1091e73c3c73cp-20, -0x1.95fea4daa8b10p-21, -0x1.3253d85d85a84p-21, -0x1.d3d28f2f9c485p-22, -0x1.6931ef8e025d4p-22, -0x1.19bb9cd1c8185p-22, -0x1.bbaf76d4212bdp-23, -0x1.6074a0a9e48edp-23, -0x1.1a49e88a65096p-23, -0x1.c7a79b193c6b3p-24, -0x1.7263574a906e8p-24, -0x1.2f1aa5f7796eap-24, -0x1.c60c909005640p-25, -0x1.3b120b37257e5p-25, -0x1.be532391a9fe9p-26, -0x1.41fdcf3cee391p-26, -0x1.d85716a90b8acp-27, -0x1.5fac9ad6c4943p-27, -0x1.096c96b7c03c1p-27, -0x1.95aac6ace34c6p-28, -0x1.398eb9b311a66p-28, -0x1.e9d46e0e0900dp-29, -0x1.8250ad52c04c2p-29, -0x1.3369ffbc5eff6p-29, -0x1.ed55a625700cdp-30, -0x1.8eeb344ea9ba2p-30, -0x1.44e7c2cd48200p-30, -0x1.0a69a1468875ap-30, -0x1.9048a631d044ap-31, -0x1.16de065acf178p-31, -0x1.8c93d3fbcf164p-32, -0x1.1f2e332c88347p-32, -0x1.a6cd2281c6e4ap-33},
    {0x1.3b3b1ccd15dfep-6, 0x1.0d3cda43a5b74p-6, 0x1.ccc23e2c0efe6p-7, 0x1.8afa194d32c22p-7, 0x1.53320f79f5d81p-7, 0x1.23cf192637f9dp-7, 0x1.f6f6dd2a094e1p-8, 0x1.b234b337f97cfp-8, 0x1.777c834eef95fp-8, 0x1.45410be4b51a4p-8, 0x1.1a359e1661b23p-8, 0x1.ea864689c3003p-9, 0x1.aafe2879e8ddep-9, 0x1.74480d0ceeb9bp-9, 0x1.45170ba7f818ap-9, 0x1.1c51fb0331b84p-9, 0x1.d26d23763256cp-10, 0x1.68011db1c5e4ap-10, 0x1.177b3a998b9dbp-10, 0x1.b46437b111670p-11, 0x1.569187b7ac4ccp-11, 0x1.0e59bba6a5bd0p-11, 0x1.acec005bede20p-12, 0x1.55f598e8350b5p-12, 0x1.11f4e7225d7f4p-12, 0x1.b9078d03bf488p-13, 0x1.649fd14ed47bap-13, 0x1.21a7ea153d7bfp-13, 0x1.d88eaa0db317fp-14, 0x1.8316d9fcdffbdp-14, 0x1.3e5df4a3129e6p-14, 0x1.06e0824ed9397p-14, 0x1.8d4aa2412892cp-15, 0x1.14f19b2028aa1p-15, 0x1.8770981911d24p-16, 0x1.183c09efa13d2p-16, 0x1.9628bb9750253p-17, 0x1.29bb43a617257p-17, 0x1.b93fbbb9790a8p-18, 0x1.4a548593f5396p-18, 0x1.f36162e8bf740p-19, 0x1.7ceda775a0747p-19, 0x1.2516aa0906b46p-19, 0x1.c6b3facdac681p-20, 0x1.6374415474712p-20, 0x1.17e978c8d6089p-20, 0x1.bbec9f92092c8p-21, 0x1.6259dd56a5d59p-21, 0x1.ff5985facc5b0p-22, 0x1.51aed061b3f7ep-22, 0x1.c7888491130c4p-23, 0x1.393c2402012a9p-23, 0x1.b66ccbbe22191p-24, 0x1.37d04c24cf9c2p-24, 0x1.c22789b9575d0p-25, 0x1.4967684d5bb96p-25, 0x1.e8355c2123311p-26, 0x1.6e09d1a57f65ep-26, 0x1.156f0e959c099p-26, 0x1.a8d24492a5530p-27, 0x1.4854b391cf952p-27, 0x1.ffff47b29b11dp-28, 0x1.92811eb24ddaep-28, 0x1.3ee1a4bbf9948p-28, 0x1.c7d3caac28e9ap-29, 0x1.2a12193012f9bp-29, 0x1.8f2b80eb790ecp-30, 0x1.1104ea2370b6ap-30, 0x1.7cb1a2c1e7ba9p-31, 0x1.0e0fae7e74a29p-31, 0x1.8540e84f0c749p-32, 0x1.1c9966886b5adp-32, 0x1.a5b39ff9db1ccp-33, 0x1.3c3f9eef3e2e6p-33, 0x1.dfaf803f7685dp-34, 0x1.6f97ee8d1675ep-34, 0x1.1c6ced71aec54p-34, 0x1.bc1e42a4ca809p-35, 0x1.5da708d3b8ca2p-35, 0x1.1571da33a2f9ep-35, 0x1.8d9603b89e974p-36, 0x1.04e4d52b6985ap-36, 0x1.5ea16b83f94a6p-37, 0x1.e159ea372232ep-38, 0x1.50c650628e609p-38},
    {-0x1.c938202c7d507p-8, -0x1.81f141de02fc1p-8, -0x1.4661d37fb9f1ep-8, -0x1.14851f6a61b70p-8, -0x1.d566873842002p-9, -0x1.8f1fbf0cbe886p-9, -0x1.53f834c4667c8p-9, -0x1.2216ae82118e9p-9, -0x1.efe83c843218bp-10, -0x1.a89993e176005p-10, -0x1.6c287624316d2p-10, -0x1.38d6d886e0c56p-10, -0x1.0d318caffffe3p-10, -0x1.d00652ab7d7bfp-11, -0x1.9092a6896d19fp-11, -0x1.5a57e8fe0e458p-11, -0x1.1742bc06d5168p-11, -0x1.a565b8ea138cfp-12, -0x1.3fd5a64bbddb8p-12, -0x1.e851362423e28p-13, -0x1.76e1c3a3646d9p-13, -0x1.2160f525d5b7cp-13, -0x1.c12465c57ff11p-14, -0x1.5e5ddef7a85a8p-14, -0x1.12b20d4dd18adp-14, -0x1.b0da290eebacbp-15, -0x1.56a9dc39bcffdp-15, -0x1.1086c5bbbcb8ep-15, -0x1.b37290179a196p-16, -0x1.5d68cd91ef1a2p-16, -0x1.199121a5c9ed5p-16, -0x1.c7acc85445bafp-17, -0x1.4e2db2b64e7a3p-17, -0x1.bffd9ac106048p-18, -0x1.30afb92e3e37fp-18, -0x1.a42fe5eac1affp-19, -0x1.25874eae950ecp-19, -0x1.9f2c1cab1d655p-20, -0x1.290c9131ff11dp-20, -0x1.adc5e8db46d09p-21, -0x1.3a285def2a713p-21, -0x1.cfd92a882ed1ep-22, -0x1.59a76611ac9a8p-22, -0x1.03e02be7aa4e5p-22, -0x1.8a142ede6c357p-23, -0x1.2d327cd18b439p-23, -0x1.cfef7f392292dp-24, -0x1.67e6856a018a3p-24, -0x1.f22a93c541d1bp-25, -0x1.37d990e499ddep-25, -0x1.8fad6de73e926p-26, -0x1.05a6d84e931f8p-26, -0x1.5d5a83ed9bb9bp-27, -0x1.dae8730e9a966p-28, -0x1.482d33d78eaf9p-28, -0x1.cc8a071bcf255p-29, -0x1.47bdcb8dca431p-29, -0x1.d8a00ee9f59c5p-30, -0x1.58f48d74e267ap-30, -0x1.fd4adb1f907a3p-31, -0x1.7bf6ce07caa4ep-31, -0x1.1e4cd358ca3b6p-31, -0x1.b379acd95671bp-32, -0x1.4e16b8ed3ab58p-32, -0x1.c7e10da17c685p-33, -0x1.19091dbb4d2b3p-33, -0x1.63ea5fbffc2bfp-34, -0x1.cdb9cf8131c15p-35, -0x1.3211f41ff4debp-35, -0x1.9dd7af5a7d5c9p-36, -0x1.1cd6f4a736257p-36, -0x1.8e92a7664ebd1p-37, -0x1.1b1474876aa85p-37, -0x1.97b459835f9dcp-38, -0x1.295eae9801300p-38, -0x1.b6f2ca7c56240p-39, -0x1.478b0ce387c09p-39, -0x1.edd90396b3eb0p-40, -0x1.77dd2193a26a4p-40, -0x1.20a183be1189bp-40, -0x1.8a87c39cc32c0p-41, -0x1.e7beac886df3fp-42, -0x1.35c5c33ca1b56p-42, -0x1.9320f5718dd4bp-43, -0x1.0c16353ca552ep-43},
    {0x1.37bbf60014e58p-9, 0x1.0440fa27199e1p-9, 0x1.b35c7791573cep-10, 0x1.6cd0c7b0da749p-10, 0x1.324253a9feabfp-10, 0x1.0190c5f3caa95p-10, 0x1.b2003b70e4468p-11, 0x1.6e4b0eeb89733p-11, 0x1.35aff8bd5756cp-11, 0x1.0647c83f981e4p-11, 0x1.bd0476a9b2fb6p-12, 0x1.7a2bcf8267bf8p-12, 0x1.41e6716788dc9p-12, 0x1.1273c9df2b4d9p-12, 0x1.d4c1866d38a0dp-13, 0x1.90f3bb028719cp-13, 0x1.3e4a3fa67fc93p-13, 0x1.d61e242cacc72p-14, 0x1.5d4b9dd6ba270p-14, 0x1.05104313345e0p-14, 0x1.887e4d304bac4p-15, 0x1.28b50415e8139p-15, 0x1.c30e710aa9a84p-16, 0x1.58aee790a39bbp-16, 0x1.08c4af727ff3ep-16, 0x1.98d3c7924dc53p-17, 0x1.3d31907225794p-17, 0x1.ee90bab3129adp-18, 0x1.835e01ebc64efp-18, 0x1.30c9d6f5ab584p-18, 0x1.e1c1e273a89efp-19, 0x1.7e62ba5eb30b9p-19, 0x1.10d5ed015c632p-19, 0x1.6047b1262addbp-20, 0x1.cdde9560d718ep-21, 0x1.33328e3398b5fp-21, 0x1.9e4ce5177f333p-22, 0x1.1b0969e999b1ap-22, 0x1.87888175c9315p-23, 0x1.120130e7cfc61p-23, 0x1.83cdd30bc3cd8p-24, 0x1.1559a71643416p-24, 0x1.90b79301f6c1cp-25, 0x1.2441dfb546303p-25, 0x1.ae32d5e81b232p-26, 0x1.3f5f8f0a040fdp-26, 0x1.de1e569fe0753p-27, 0x1.68b46e9d4eb84p-27, 0x1.e02307002fc29p-28, 0x1.1d2ff40b9bcfap-28, 0x1.5b8c0f2a0e3b3p-29, 0x1.b18eb3961f191p-30, 0x1.144a0610858a4p-30, 0x1.672760f7dcfb2p-31, 0x1.db7214c6608b4p-32, 0x1.400921ab83d06p-32, 0x1.b59eb8efac575p-33, 0x1.2f91296ca6110p-33, 0x1.aade8f3d724f0p-34, 0x1.2fec5d700e541p-34, 0x1.b5e38a2e969e5p-35, 0x1.3ef0b2610d156p-35, 0x1.d56c1f81523ddp-36, 0x1.5cd0e88950a82p-36, 0x1.c7502ccc80bbap-37, 0x1.08a6fb4225d6fp-37, 0x1.3d004016593cfp-38, 0x1.860b908fa7e69p-39, 0x1.ebb4962b90001p-40, 0x1.3cd386e183bb7p-40, 0x1.a08de9e51fd93p-41, 0x1.16e6e66d93589p-41, 0x1.7bcf46c72a2c7p-42, 0x1.06a64760d7d18p-42, 0x1.707e5f09c016bp-43, 0x1.05f1b02a455e0p-43, 0x1.7904d2784d8a6p-44, 0x1.12739419ca7ddp-44, 0x1.93df76411410ep-45, 0x1.2c26d0d4ba360p-45, 0x1.88104c048d429p-46, 0x1.c881da815dfebp-47, 0x1.11fd22dc5ad9bp-47, 0x1.51f71247920a9p-48, 0x1.ab36904576287p-49},
    {-0x1.922d4a226c1cep-11, -0x1.4c4a4c75ec3c1p-11, -0x1.130ffb6e13a7dp-11, -0x1.c839c5deae6bfp-12, -0x1.7b0c55b3eedcdp-12, -0x1.3b7f89b630974p-12, -0x1.07130e399d568p-12, -0x1.b7809ff99256cp-13, -0x1.6fc5255ccf68ap-13, -0x1.3447bc6f0da5fp-13, -0x1.02db8218c3125p-13, -0x1.b374733a1be06p-14, -0x1.6ee176267152bp-14, -0x1.359e75e8f30a4p-14, -0x1.05b946c1e4d80p-14, -0x1.bb3184c304205p-15, -0x1.5a7c83347245ep-15, -0x1.f5822bbcf3981p-16, -0x1.6d2fe7298b662p-16, -0x1.0b867fc2c5379p-16, -0x1.8a4573063d247p-17, -0x1.24340a1c75411p-17, -0x1.b38c040a59533p-18, -0x1.4661bfddb424dp-18, -0x1.ebc4a29ee35cep-19, -0x1.7468fb33dee8fp-19, -0x1.1b7464d41099ep-19, -0x1.b1a2125144825p-20, -0x1.4d4aaefc4530dp-20, -0x1.0160376cfad91p-20, -0x1.8f54494c36190p-21, -0x1.372ccad883fafp-21, -0x1.b00d8ecf1567fp-22, -0x1.0d18c1af710a4p-22, -0x1.54975913a4b50p-23, -0x1.b5a9346e92438p-24, -0x1.1d46990427d01p-24, -0x1.79054ec21b237p-25, -0x1.f8cbcf2e69438p-26, -0x1.56252961fe821p-26, -0x1.d54bc71ac29b5p-27, -0x1.4579c2f0f4063p-27, -0x1.c84d474eefa13p-28, -0x1.431f95815f5a6p-28, -0x1.ce1520bcebdfcp-29, -0x1.4d770ba398129p-29, -0x1.e58d72d613b43p-30, -0x1.647ca2ba79760p-30, -0x1.c8009100963bap-31, -0x1.01553478284ddp-31, -0x1.2a89fa8bc164fp-32, -0x1.633252ebf67ffp-33, -0x1.b088132938423p-34, -0x1.0d0c4e1512e61p-34, -0x1.55654e2892248p-35, -0x1.b9339201ca18bp-36, -0x1.21fa2e5bfa123p-36, -0x1.833de86581e6dp-37, -0x1.0666704c5fb12p-37, -0x1.6888793504062p-38, -0x1.f5c6a048e8dc1p-39, -0x1.6168821e4dc10p-39, -0x1.f77bb53bd447fp-40, -0x1.6a7a4f1a40fdap-40, -0x1.c3f7ca21fc4d0p-41, -0x1.efba96c3f3705p-42, -0x1.18f57fa65608dp-42, -0x1.48099c27722ffp-43, -0x1.8962765969808p-44, -0x1.e356e42f3146bp-45, -0x1.2f92f04471216p-45, -0x1.8521d1800dec3p-46, -0x1.fc28fdd664e2cp-47, -0x1.51870bcc8b9cbp-47, -0x1.c787f99f2f673p-48, -0x1.37ef3fe2b0f9dp-48, -0x1.b110f8c2c0300p-49, -0x1.3074e16538148p-49, -0x1.b12eafb27c6f7p-50, -0x1.379a0c8f79d0ep-50, -0x1.844f44fe5319fp-51, -0x1.aa00683d3521fp-52, -0x1.e3641d4f9aa9fp-53, -0x1.1aa8a476920c3p-53, -0x1.53a94fa084d98p-54}};

// A slope near its zero x0, divided by x - x0, on |x - x0| <= zero_radius.
constexpr double zero_radius = 0x1.0000000000000p-3;
struct Zero {
    Pair position;
    double short_polynomial[6];  // for results up to float32
    Pair constant_term;          // for float64: constant_term + h long_polynomial(h)
    double long_polynomial[11];
};
// gelu': relative errors 2^-29.3 and 2^-62.6
constexpr Zero gelu_zero = {
    Pair{-0x1.80ead197f00b4p-1, 0x1.13e74c58cada8p-56},
    {0x1.b9d98faee5dc0p-2, 0x1.8d9a94194fcc3p-2, -0x1.2a3194985ca4dp-6, -0x1.d2f9f9b07eda3p-4, -0x1.e08ea13027d03p-7, 0x1.3d5898773009ep-6},
    Pair{0x1.b9d98fa5a3215p-2, 0x1.f8c4bbc378616p-56},
    {0x1.8d9a941de3ac5p-2, -0x1.2a2ef9bb865f7p-6, -0x1.d2fa4c17c7e83p-4, -0x1.e4088244de6fcp-7, 0x1.3e346def4146dp-6, 0x1.297b9d37492b2p-8, -0x1.258a6d7f08d2ep-9, -0x1.86801c8f72b27p-11, 0x1.86c832b399150p-13, 0x1.67dbe1efd05e4p-14, -0x1.779c86723c926p-17}};
// gelu_tanh': relative errors 2^-29.1 and 2^-61.5
constexpr Zero gelu_tanh_zero = {
    Pair{-0x1.81429f9e97e4dp-1, 0x1.4f523ed77dbdcp-55},
    {0x1.b8bacd3751a9ep-2, 0x1.8cd1a2ae0cf9fp-2, -0x1.02991a9fb5615p-6, -0x1.d2b71a2e98cfap-4, -0x1.0e46ee6f63087p-6, 0x1.418be1530aec0p-6},
    Pair{0x1.b8bacd2c96b91p-2, 0x1.78390c5fa047bp-56},
    {0x1.8cd1a2b2fff33p-2, -0x1.029615edb080fp-6, -0x1.d2b773464709dp-4, -0x1.104a83eda59d8p-6, 0x1.427996dc1a821p-6, 0x1.58c9ecfce4a6cp-8, -0x1.3d8d63c0c91d3p-9, -0x1.e63d6853a7156p-11, 0x1.14be3c6355bdap-12, 0x1.0303cd976b139p-13, -0x1.22eaedf69e8b5p-15}};
// silu': relative errors 2^-31.0 and 2^-64.8
constexpr Zero silu_zero = {
    Pair{-0x1.474973c84120bp+0, -0x1.f8d74bc9ac154p-54},
    {0x1.be1410494975dp-3, 0x1.2c5634598e0a6p-3, 0x1.353e3fd77de40p-6, -0x1.f2d119bd97c6bp-7, -0x1.afbe76e7f980fp-8, 0x1.12a8be2251702p-13},
    Pair{0x1.be1410460527fp-3, -0x1.25b3dd6d21946p-58},
    {0x1.2c563458cc0adp-3, 0x1.353eb573ca45fp-6, -0x1.f2d0e32bc2994p-7, -0x1.b0f82c4995b67p-8, 0x1.098e92b8f75f1p-13, 0x1.a2a7cb2331bc8p-11, 0x1.8574d12f79413p-13, -0x1.572511b791a38p-15, -0x1.f2d87b183cfd8p-16, -0x1.858f59f4122d1p-19, 0x1.3aaeef51eec29p-19}};

constexpr float tail_slope = 0x1.1000000000000p+0f;
// A slope next to its zero, as a polynomial in the distance h from the number that is nearest to the
// zero, for |h| < radius: value + h (slope + h polynomial(h)).
template <class Real, int count> struct CompensatedZero {
    Real radius, nearest, value;
    Sum<Real> slope;
    Real polynomial[count];
};
// Constants and polynomials in a format.
template <class Real> struct In;
template <> struct In<float> {
    static constexpr float log2_e = 0x1.7154760000000p+0f;
    static constexpr Sum<float> ln2 = {0x1.62e4300000000p-1f, -0x1.05c6100000000p-29f};
    // The same with 24 bits in the high part.
    static constexpr Sum<float> ln2_short = {0x1.62e4300000000p-1f, -0x1.05c6100000000p-29f};
    // (e^r - 1 - r) / r^2 on |r| <= ln(2)/2, coefficients rounded: error of e^r 2^-30.3
    static constexpr float exponential[] = {
        0x1.0000000000000p-1f,
        0x1.5555560000000p-3f,
        0x1.5554e80000000p-5f,
        0x1.1110e00000000p-7f,
        0x1.6d43b00000000p-10f,
        0x1.a1256c0000000p-13f};
    // e^(-t^2/2) / erfc(t/sqrt 2) = 1 + tail_slope t + t numerator/denominator on [0, 13.2],
    // coefficients rounded: relative error 2^-30.1
    static constexpr float tail_numerator[] = {
        -0x1.0ef75a0000000p-2f,
        -0x1.1c1da00000000p-3f,
        -0x1.4d87680000000p-6f,
        0x1.91a0860000000p-8f,
        0x1.75b47a0000000p-9f,
        0x1.8e4d980000000p-12f};
    static constexpr float tail_denominator[] = {
        0x1.0000000000000p+0f,
        0x1.0a62220000000p+0f,
        0x1.0c10d20000000p-1f,
        0x1.37525a0000000p-3f,
        0x1.9fbd8a0000000p-6f,
        0x1.04ec680000000p-9f};
    static constexpr Sum<float> inverse_sqrt_two_pi = {0x1.9884540000000p-2f, -0x1.8579360000000p-27f};
    // gelu_tanh(x) = x sigmoid(x (linear + cubic x^2))
    static constexpr Sum<float> gelu_tanh_linear = {0x1.9884540000000p+0f, -0x1.8579360000000p-25f};
    static constexpr Sum<float> gelu_tanh_cubic = {0x1.2444f20000000p-4f, 0x1.49b16a0000000p-29f};
    // gelu': relative error 2^-27.4
    static constexpr CompensatedZero<float, 6> gelu_zero = {
        0x1.0000000000000p-2f, -0x1.80ead20000000p-1f, -0x1.6737d80000000p-28f,
        {0x1.b9d9900000000p-2f, -0x1.f4f7180000000p-27f},
        {0x1.8d9a900000000p-2f, -0x1.2a2f240000000p-6f, -0x1.d2f2300000000p-4f, -0x1.e3ea620000000p-7f, 0x1.3a30c80000000p-6f, 0x1.2370900000000p-8f}};
    // gelu_tanh': relative error 2^-28.3
    static constexpr CompensatedZero<float, 4> gelu_tanh_zero = {
        0x1.0000000000000p-4f, -0x1.8142a00000000p-1f, -0x1.4f64040000000p-28f,
        {0x1.b8bacc0000000p-2f, 0x1.2b89f20000000p-27f},
        {0x1.8cd19c0000000p-2f, -0x1.0296400000000p-6f, -0x1.d2509c0000000p-4f, -0x1.0fca420000000p-6f}};
    // silu': relative error 2^-32.6
    static constexpr CompensatedZero<float, 4> silu_zero = {
        0x1.0000000000000p-4f, -0x1.4749740000000p+0f, -0x1.848b9e0000000p-29f,
        {0x1.be14100000000p-3f, -0x1.e5d5520000000p-30f},
        {0x1.2c56340000000p-3f, 0x1.353eae0000000p-6f, -0x1.f2c8780000000p-7f, -0x1.b0a5600000000p-8f}};
};
template <> struct In<double> {
    static constexpr double log2_e = 0x1.71547652b82fep+0;
    static constexpr Sum<double> ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
    // The same with 42 bits in the high part: its product with an 11-bit integer is exact.
    static constexpr Sum<double> ln2_short = {0x1.62e42fefa3800p-1, 0x1.ef35793c76730p-45};
    // (e^r - 1 - r) / r^2 on |r| <= ln(2)/2, coefficients rounded: error of e^r 2^-61.4
    static constexpr double exponential[] = {
        0x1.0000000000000p-1,
        0x1.5555555555557p-3,
        0x1.5555555555556p-5,
        0x1.11111111100bep-7,
        0x1.6c16c16c162c3p-10,
        0x1.a01a01abf85abp-13,
        0x1.a01a01a6e1e2ap-16,
        0x1.71de01fdbf9cap-19,
        0x1.27e4db46cddd1p-22,
        0x1.af4e554377204p-26,
        0x1.1f7340dbc337ep-29};
    // e^(-t^2/2) / erfc(t/sqrt 2) = 1 + tail_slope t + t numerator/denominator on [0, 8.2],
    // coefficients rounded: relative error 2^-58.4
    static constexpr double tail_numerator[] = {
        -0x1.0ef759857935fp-2,
        -0x1.179a1c79cfff5p-2,
        -0x1.084e645ed87f6p-3,
        -0x1.f6d5495894dd2p-6,
        -0x1.f8f135cd852d1p-11,
        0x1.e99d9063a47ebp-10,
        0x1.6baa11a994adbp-11,
        0x1.1d0c56e495701p-13,
        0x1.143a68738fadfp-16,
        0x1.3e7b73ad272e5p-20,
        0x1.57489cf14c0fbp-25};
    static constexpr double tail_denominator[] = {
        0x1.0000000000000p+0,
        0x1.8c549994ac32cp+0,
        0x1.3248c042a30aep+0,
        0x1.2f62d0a6b13aep-1,
        0x1.a59258438c41cp-3,
        0x1.aaaee7ef3642ap-5,
        0x1.3dac5dccc3329p-7,
        0x1.57749706fedd5p-10,
        0x1.0277fa4f35252p-13,
        0x1.eaed0c28fd121p-18,
        0x1.c1c305c78d9a3p-23};
    static constexpr Sum<double> inverse_sqrt_two_pi = {0x1.9884533d43651p-2, -0x1.cbc0d30ebfd15p-56};
    // gelu_tanh(x) = x sigmoid(x (linear + cubic x^2))
    static constexpr Sum<double> gelu_tanh_linear = {0x1.9884533d43651p+0, -0x1.cbc0d30ebfd15p-54};
    static constexpr Sum<double> gelu_tanh_cubic = {0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c70p-61};
    // gelu': relative error 2^-58.9
    static constexpr CompensatedZero<double, 15> gelu_zero = {
        0x1.8000000000000p-2, -0x1.80ead197f00b4p-1, -0x1.dc33ec6564406p-58,
        {0x1.b9d98fa5a3215p-2, 0x1.2475cb0cecaa9p-56},
        {0x1.8d9a941de3ac5p-2, -0x1.2a2ef9bb865d6p-6, -0x1.d2fa4c17c7d4dp-4, -0x1.e4088244f5f16p-7, 0x1.3e346def2f8fap-6, 0x1.297b9d6e9d8a9p-8, -0x1.258a6d74bddfap-9, -0x1.8680f61d23e28p-11, 0x1.86c853aa0f0a7p-13, 0x1.6960781d9d84bp-14, -0x1.7842509fc6769p-17, -0x1.03d890626bf16p-17, 0x1.cc2a48cb77303p-22, 0x1.27a6115928ce5p-21, 0x1.821b1fd184f60p-28}};
    // gelu_tanh': relative error 2^-59.9
    static constexpr CompensatedZero<double, 9> gelu_tanh_zero = {
        0x1.0000000000000p-4, -0x1.81429f9e97e4dp-1, -0x1.20a50541a648bp-56,
        {0x1.b8bacd2c96b91p-2, -0x1.1b1e5dca16274p-57},
        {0x1.8cd1a2b2fff33p-2, -0x1.029615edb0aa2p-6, -0x1.d2b77346480f2p-4, -0x1.104a83ec2a41fp-6, 0x1.427996e8084fep-6, 0x1.58c9dba661de9p-8, -0x1.3d8dcec2abc16p-9, -0x1.e59c707c5388ep-11, 0x1.15e120e66e966p-12}};
    // silu': relative error 2^-62.0
    static constexpr CompensatedZero<double, 9> silu_zero = {
        0x1.0000000000000p-4, -0x1.474973c84120bp+0, 0x1.b7d7537967aa7p-56,
        {0x1.be14104605280p-3, 0x1.b75b66c3429cfp-62},
        {0x1.2c563458cc0adp-3, 0x1.353eb573ca469p-6, -0x1.f2d0e32bc47f5p-7, -0x1.b0f82c49b6c45p-8, 0x1.098e94282680fp-13, 0x1.a2a7ce54b853dp-11, 0x1.8573177c81aa6p-13, -0x1.576154b0bbcc0p-15, -0x1.ecf2faab44e7ep-16}};
};

}  // namespace coefficients
}  // namespace
}  // namespace softfloor
