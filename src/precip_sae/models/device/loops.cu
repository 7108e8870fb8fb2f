// The training loops of engine.kernels for one model per thread.
//
// The same float32 operations in the same order as there: compiled without fused multiply-adds, with division and
// root rounded as IEEE 754 says and with denormal numbers kept, a model's weights are the same bytes. Derivatives
// are added up row by row, which is the order of the engine's sums; only losses that nobody reads are left out.
//
// Sizes are macros, so that loops unroll and parameters lie in registers: INPUTS, HIDDEN, OUTPUTS, CLASSIFICATION,
// WEIGHTED, MLP_BATCH of networks; HIDDEN, LATENTS, SAE_BATCH of SAEs.

#define NUMBER(x) ((float)(x)) // as numpy rounds a constant
#define LANES 32               // models whose values lie side by side, for threads that run together
#define STEPS_TO_FORGET 64     // see layers.forget

static const int SECOND = (INPUTS + 1) * HIDDEN; // where the output layer's parameters start
static const int NETWORK = SECOND + (HIDDEN + 1) * OUTPUTS;
static const int DECODER = (HIDDEN + 1) * LATENTS; // where the decoder's parameters start
static const int AUTOENCODER = DECODER + (LATENTS + 1) * HIDDEN;

// where a model's values start in [groups of models, size, LANES]
__device__ static inline size_t place(int model, int size) { return (size_t)(model / LANES) * size * LANES + model % LANES; }

__device__ static inline float larger(float a, float b) { return a > b ? a : b; }

// arithmetic.exponential
__device__ static inline float exponential(float x)
{
    float power = larger(x, NUMBER(-87.0)) * NUMBER(1.44269504);
    int n = (int)(power - NUMBER(0.5));
    float f = power - (float)n;
    float p = NUMBER(1.5403530e-4);
    p = p * f + NUMBER(1.3333558e-3);
    p = p * f + NUMBER(9.6181291e-3);
    p = p * f + NUMBER(5.5504109e-2);
    p = p * f + NUMBER(2.4022651e-1);
    p = p * f + NUMBER(6.9314718e-1);
    return (p * f + NUMBER(1.0)) * __int_as_float((n + 127) << 23);
}

// layers.forward for one row: W [INS, OUTS] starts w, b [OUTS] follows it
template <int INS, int OUTS>
__device__ static inline void forward(const float *inputs, const float *w, float *out, bool rectify)
{
#pragma unroll
    for (int j = 0; j < OUTS; j++) {
        float z = w[INS * OUTS + j];
#pragma unroll
        for (int k = 0; k < INS; k++)
            z += inputs[k] * w[k * OUTS + j];
        out[j] = rectify ? larger(z, 0.0f) : z;
    }
}

// layers.backward for one row
template <int INS, int OUTS>
__device__ static inline void backward(const float *deltas, const float *w, float offset, const float *active, float *out)
{
#pragma unroll
    for (int k = 0; k < INS; k++) {
        float g = offset;
#pragma unroll
        for (int j = 0; j < OUTS; j++)
            g += deltas[j] * w[k * OUTS + j];
        out[k] = active[k] > 0.0f ? g : 0.0f;
    }
}

// layers.slopes of all weights and biases of a layer, for one row
template <int INS, int OUTS>
__device__ static inline void add_slopes(const float *inputs, const float *deltas, float *slopes)
{
#pragma unroll
    for (int k = 0; k <= INS; k++)
#pragma unroll
        for (int j = 0; j < OUTS; j++)
            slopes[k * OUTS + j] += k < INS ? inputs[k] * deltas[j] : deltas[j];
}

__device__ static inline float first_moment(float m, float slope) { return m + (slope - m) * NUMBER(0.1); }
__device__ static inline float second_moment(float v, float slope) { return v + (slope * slope - v) * NUMBER(0.001); }

// layers.adam of all parameters of a layer, three at a time; m, v: LANES values per parameter
template <int INS, int OUTS>
__device__ static inline void descend(float *w, const float *slopes, float *m, float *v, float size)
{
#pragma unroll
    for (int k = 0; k <= INS; k++)
#pragma unroll
        for (int j = 0; j < OUTS; j += 3) {
            int p[3], at = k * OUTS;
            float first[3], root[3];
            p[0] = at + j;
            p[1] = at + (j + 1 < OUTS ? j + 1 : OUTS - 1);
            p[2] = at + (j + 2 < OUTS ? j + 2 : OUTS - 1);
            float second[3];
#pragma unroll
            for (int i = 0; i < 3; i++) {
                first[i] = first_moment(m[p[i] * LANES], slopes[p[i]]);
                second[i] = second_moment(v[p[i] * LANES], slopes[p[i]]);
                root[i] = sqrtf(second[i]) + NUMBER(1e-7);
            }
            float two = root[0] * root[1];
            float share = size / (two * root[2]);
            float share_of_two = share * root[2];
            float moved[3] = {
                w[p[0]] - first[0] * (share_of_two * root[1]),
                w[p[1]] - first[1] * (share_of_two * root[0]),
                w[p[2]] - first[2] * (share * two),
            };
#pragma unroll
            for (int i = 0; i < 3; i++) {
                m[p[i] * LANES] = first[i];
                v[p[i] * LANES] = second[i];
                w[p[i]] = moved[i];
            }
        }
}

// layers.forget
template <int PARAMETERS>
__device__ static inline void forget(float *m, float *v, int step)
{
    if (step % STEPS_TO_FORGET)
        return;
    for (int p = 0; p < PARAMETERS; p++) {
        float first = m[p * LANES], second = v[p * LANES];
        m[p * LANES] = fabsf(first) > NUMBER(1e-30) ? first : 0.0f;
        v[p * LANES] = second > NUMBER(1e-32) ? second : 0.0f;
    }
}

// losses.cross_entropy, weighted_cross_entropy or squared_error for one row: z becomes the loss's derivative
__device__ static inline void derivative(float *z, const float *y, float share, const float *class_weights)
{
#if CLASSIFICATION
    float observed = y[0], top = z[0], total = 0.0f, class_weight = 0.0f;
#pragma unroll
    for (int o = 1; o < OUTPUTS; o++)
        top = larger(z[o], top);
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
        z[o] = exponential(z[o] - top);
        total += z[o];
        if (WEIGHTED && observed == (float)o)
            class_weight = class_weights[o];
    }
    float scale = share / total;
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
        z[o] = z[o] * scale - (observed == (float)o ? share : 0.0f);
        if (WEIGHTED)
            z[o] = z[o] * class_weight;
    }
#else
    float twice = 2.0f * share * (1.0f / (float)OUTPUTS);
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++)
        z[o] = (z[o] - y[o]) * twice;
#endif
}

__device__ static inline void read(float *here, const float *values, int size)
{
#pragma unroll
    for (int p = 0; p < size; p++)
        here[p] = values[p * LANES];
}

__device__ static inline void write(float *values, const float *here, int size)
{
#pragma unroll
    for (int p = 0; p < size; p++)
        values[p * LANES] = here[p];
}

// One epoch of every network.
//
// table [rows, width], response [rows, responses]; orders [seeds, rows]: the rows in the order of each seed;
// seed_of [models]; columns [groups of models, INPUTS, LANES]: which of the table's are a model's inputs; sizes:
// Adam's, one per batch; segment: rows that the engine lays out at a time, whose batches it counts from zero; weights,
// m, v [groups, parameters, LANES], moved on.
extern "C" __global__ void train_networks(
    const float *table, int width, const float *response, int responses, const int *orders, const int *seed_of,
    const int *columns, const float *sizes, const float *class_weights, int rows, int segment, int models,
    float *weights, float *m, float *v)
{
    int model = blockIdx.x * blockDim.x + threadIdx.x;
    if (model >= models)
        return;
    const int *order = orders + (size_t)seed_of[model] * rows;
    float w[NETWORK], slopes[NETWORK], x[INPUTS], h[HIDDEN], dh[HIDDEN], z[OUTPUTS];
    int column[INPUTS];
    columns += place(model, INPUTS);
#pragma unroll
    for (int k = 0; k < INPUTS; k++)
        column[k] = columns[k * LANES];
    weights += place(model, NETWORK), m += place(model, NETWORK), v += place(model, NETWORK);
    read(w, weights, NETWORK);
    for (int start = 0; start < rows; start += MLP_BATCH) {
        int size = rows - start < MLP_BATCH ? rows - start : MLP_BATCH;
        float share = 1.0f / (float)size;
#pragma unroll
        for (int p = 0; p < NETWORK; p++)
            slopes[p] = 0.0f;
        for (int s = 0; s < size; s++) {
            size_t row = order[start + s];
#pragma unroll
            for (int k = 0; k < INPUTS; k++)
                x[k] = table[row * width + column[k]];
            forward<INPUTS, HIDDEN>(x, w, h, true);
            forward<HIDDEN, OUTPUTS>(h, w + SECOND, z, false);
            derivative(z, response + row * responses, share, class_weights);
            backward<HIDDEN, OUTPUTS>(z, w + SECOND, 0.0f, h, dh);
            add_slopes<HIDDEN, OUTPUTS>(h, z, slopes + SECOND);
            add_slopes<INPUTS, HIDDEN>(x, dh, slopes);
        }
        forget<NETWORK>(m, v, start % segment / MLP_BATCH);
        float step = sizes[start / MLP_BATCH];
        descend<HIDDEN, OUTPUTS>(w + SECOND, slopes + SECOND, m + SECOND * LANES, v + SECOND * LANES, step);
        descend<INPUTS, HIDDEN>(w, slopes, m, v, step);
    }
    write(weights, w, NETWORK);
}

// One epoch of every SAE that still runs, on the hidden activations of its network.
//
// networks [groups, parameters, LANES]; running [models]; by_batch: whether the penalty's sum is divided by the rows of a
// batch; loss [models]: of the epoch, a sum over rows; else as in train_networks.
extern "C" __global__ void fit_autoencoders(
    const float *table, int width, const int *columns, const float *networks, const int *running, const float *sizes,
    int rows, int models, float l1, int by_batch, float *weights, float *m, float *v, double *loss)
{
    int model = blockIdx.x * blockDim.x + threadIdx.x;
    if (model >= models || !running[model])
        return;
    float network[SECOND], w[AUTOENCODER], slopes[AUTOENCODER];
    float x[INPUTS], h[HIDDEN], f[LATENTS], df[LATENTS], z[HIDDEN];
    int column[INPUTS];
    columns += place(model, INPUTS);
#pragma unroll
    for (int k = 0; k < INPUTS; k++)
        column[k] = columns[k * LANES];
    weights += place(model, AUTOENCODER), m += place(model, AUTOENCODER), v += place(model, AUTOENCODER);
    read(network, networks + place(model, NETWORK), SECOND);
    read(w, weights, AUTOENCODER);
    double lost = 0.0;
    for (int start = 0; start < rows; start += SAE_BATCH) {
        int size = rows - start < SAE_BATCH ? rows - start : SAE_BATCH;
        float penalty = by_batch ? l1 / (float)size : l1;
        float share = 2.0f / (float)(HIDDEN * size), squares = 0.0f, activity = 0.0f;
#pragma unroll
        for (int p = 0; p < AUTOENCODER; p++)
            slopes[p] = 0.0f;
        for (int s = 0; s < size; s++) {
            size_t row = start + s;
#pragma unroll
            for (int k = 0; k < INPUTS; k++)
                x[k] = table[row * width + column[k]];
            forward<INPUTS, HIDDEN>(x, network, h, true);
            forward<HIDDEN, LATENTS>(h, w, f, true);
            forward<LATENTS, HIDDEN>(f, w + DECODER, z, false);
#pragma unroll
            for (int k = 0; k < HIDDEN; k++) {
                float e = z[k] - h[k];
                squares += e * e;
                z[k] = e * share;
            }
#pragma unroll
            for (int k = 0; k < LATENTS; k++)
                activity += f[k];
            backward<LATENTS, HIDDEN>(z, w + DECODER, penalty, f, df);
            add_slopes<LATENTS, HIDDEN>(f, z, slopes + DECODER);
            add_slopes<HIDDEN, LATENTS>(h, df, slopes);
        }
        lost += (double)(squares * (1.0f / (float)HIDDEN) + activity * (penalty * (float)size));
        forget<AUTOENCODER>(m, v, start / SAE_BATCH);
        float step = sizes[start / SAE_BATCH];
        descend<LATENTS, HIDDEN>(w + DECODER, slopes + DECODER, m + DECODER * LANES, v + DECODER * LANES, step);
        descend<HIDDEN, LATENTS>(w, slopes, m, v, step);
    }
    write(weights, w, AUTOENCODER);
    loss[model] = lost;
}

// a times b
extern "C" __global__ void product(float a, float b, float *out) { *out = a * b; }
