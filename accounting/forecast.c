// Forecast: see forecast.h.
#include "forecast.h"

#include "money.h"
#include "robust.h"

#define WEEK 7

// Sums end at the largest number rather than going round.
static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return money_add(a, b, &sum) ? sum : INT64_MAX;
}

// Collects what the day `ahead` days after the last one is judged by; returns how many.
static size_t collect_sample(const struct forecast_days *days, size_t ahead, int64_t *sample)
{
    size_t count = 0;
    size_t place = days->count + ahead; // of that day
    for (size_t back = WEEK; back <= place && count < FORECAST_WEEKS; back += WEEK)
        if (place - back < days->count)
            sample[count++] = days->amounts[place - back];
    if (count > 0)
        return count;
    for (; count < days->count && count < ROBUST_VALUES_MAX; count++)
        sample[count] = days->amounts[count];
    return count;
}

struct day_guess {
    int64_t expected, lowest, highest;
};

static struct day_guess guess_day(const struct forecast_days *days, size_t ahead)
{
    int64_t sample[ROBUST_VALUES_MAX];
    size_t count = collect_sample(days, ahead, sample);
    if (count == 0)
        return (struct day_guess){0};
    struct day_guess guess = {robust_median(sample, count), sample[0], sample[0]};
    for (size_t i = 1; i < count; i++) {
        guess.lowest = sample[i] < guess.lowest ? sample[i] : guess.lowest;
        guess.highest = sample[i] > guess.highest ? sample[i] : guess.highest;
    }
    return guess;
}

// What an open day has still to come, if it is to come to `whole`.
static int64_t rest_of(int64_t whole, int64_t so_far)
{
    return whole > so_far ? whole - so_far : 0;
}

void forecast_month(const struct forecast_days *days, const struct forecast_question *question,
                    struct forecast *forecast)
{
    *forecast =
        (struct forecast){question->so_far, question->so_far, question->so_far, FORECAST_NEVER};
    for (size_t i = 0; i < question->days_left; i++) {
        struct day_guess guess = guess_day(days, i);
        int64_t so_far = i == 0 && question->day_is_open ? question->open_so_far : 0;
        forecast->expected = add(forecast->expected, rest_of(guess.expected, so_far));
        forecast->lowest = add(forecast->lowest, rest_of(guess.lowest, so_far));
        forecast->highest = add(forecast->highest, rest_of(guess.highest, so_far));
        if (forecast->expected >= question->limit && forecast->reached_after == FORECAST_NEVER)
            forecast->reached_after = i;
    }
}
