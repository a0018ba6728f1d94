/*
 * zipf.c - see zipf.h.
 */
#include "bench/zipf.h"

#include <math.h>

void zipf_init(struct zipf *zipf, uint64_t n, double theta)
{
    double zeta = 0;
    for (uint64_t i = 1; i <= n; i++)
        zeta += pow((double)i, -theta);
    double zeta2 = 1 + pow(2.0, -theta);
    *zipf = (struct zipf){
        .n = n,
        .theta = theta,
        .alpha = 1 / (1 - theta),
        .zeta = zeta,
        .eta = (1 - pow(2.0 / (double)n, 1 - theta)) / (1 - zeta2 / zeta),
    };
}

uint64_t zipf_draw(const struct zipf *zipf, uint64_t random)
{
    double u = (double)(random >> 11) * 0x1p-53;
    double uz = u * zipf->zeta;
    if (uz < 1)
        return 0;
    if (uz < 1 + pow(0.5, zipf->theta))
        return 1 % zipf->n;
    uint64_t drawn = (uint64_t)((double)zipf->n * pow(zipf->eta * u - zipf->eta + 1, zipf->alpha));
    return drawn < zipf->n ? drawn : zipf->n - 1;
}
