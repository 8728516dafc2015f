// Alert webhook: posts an alert to a URL, once, on the daemon's loop.
#include "alert_webhook.h"

#include "version.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SHA256_BYTES 32

struct alert_webhook {
    struct curl_loop_job job; // first: it is what curl hands back
    struct curl_loop *loop;
    CURL *easy;
    struct curl_slist *headers;
    struct alert_webhook_receiver receiver;
    size_t answer_bytes;
    char error_text[CURL_ERROR_SIZE];
};

void alert_webhook_cancel(struct alert_webhook *webhook)
{
    if (webhook == NULL)
        return;
    if (webhook->easy != NULL) {
        curl_loop_remove(webhook->loop, webhook->easy);
        curl_easy_cleanup(webhook->easy);
    }
    curl_slist_free_all(webhook->headers);
    free(webhook);
}

// Passes over the answer, up to a point.
static size_t on_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct alert_webhook *webhook = context;
    (void)bytes;
    webhook->answer_bytes += size * count;
    return webhook->answer_bytes <= WEBHOOK_ANSWER_BYTES_MAX ? size * count : 0;
}

static void on_done(struct curl_loop_job *job, CURLcode result)
{
    struct alert_webhook *webhook = (struct alert_webhook *)job;
    struct alert_webhook_receiver receiver = webhook->receiver;
    struct error failure = {0};
    long status = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(webhook->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(webhook->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    bool arrived = status >= 200 && status < 300;
    if (status != 0 && !arrived)
        error_set(&failure, -EPROTO, "HTTP %ld", status);
    else if (!arrived)
        error_set(&failure, -EHOSTUNREACH, "%s",
                  webhook->error_text[0] != '\0' ? webhook->error_text
                                                 : curl_easy_strerror(result));
    alert_webhook_cancel(webhook);
    receiver.done(receiver.context, arrived ? NULL : &failure, retry_after_s * 1000000);
}

static bool header_add(struct alert_webhook *webhook, const char *header)
{
    struct curl_slist *longer = curl_slist_append(webhook->headers, header);
    if (longer == NULL)
        return false;
    webhook->headers = longer;
    return true;
}

static bool signature_add(struct alert_webhook *webhook,
                          const struct alert_webhook_options *options, const char *body)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_length = 0;
    char header[sizeof(WEBHOOK_SIGNATURE_HEADER ": sha256=") + 2 * SHA256_BYTES];
    if (HMAC(EVP_sha256(), options->secret, (int)options->secret_length, (const uint8_t *)body,
             strlen(body), digest, &digest_length) == NULL)
        return false;
    int used = snprintf(header, sizeof(header), WEBHOOK_SIGNATURE_HEADER ": sha256=");
    for (size_t i = 0; i < SHA256_BYTES; i++)
        used += snprintf(header + used, sizeof(header) - (size_t)used, "%02x", digest[i]);
    return header_add(webhook, header);
}

static bool webhook_set_up(struct alert_webhook *webhook,
                           const struct alert_webhook_options *options, const char *body)
{
    CURL *easy = webhook->easy;
    if (!header_add(webhook, "Content-Type: application/json") ||
        !header_add(webhook, "Expect:") || // a round trip for nothing
        (options->secret != NULL && !signature_add(webhook, options, body)))
        return false;
    if (curl_easy_setopt(easy, CURLOPT_URL, options->url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body)) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body) != CURLE_OK)
        return false;
    if (options->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, webhook->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "reeve/" REEVE_VERSION);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(options->timeout_us / 1000));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(options->timeout_us / 1000));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, webhook);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, webhook->error_text);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &webhook->job);
    return true;
}

int alert_webhook_post(struct alert_webhook **webhook, const struct alert_webhook_options *options,
                       const char *body, const struct alert_webhook_receiver *receiver,
                       struct error *err)
{
    struct alert_webhook *posted = calloc(1, sizeof(*posted));
    if (posted == NULL)
        return error_set(err, -ENOMEM, "out of memory for a webhook");
    posted->job.done = on_done;
    posted->loop = options->loop;
    posted->receiver = *receiver;
    posted->easy = curl_easy_init();
    int result = 0;
    if (posted->easy == NULL || !webhook_set_up(posted, options, body))
        result = error_set(err, -ENOMEM, "out of memory for a webhook");
    else
        result = curl_loop_add(posted->loop, posted->easy, err);
    if (result < 0) {
        alert_webhook_cancel(posted);
        return result;
    }
    *webhook = posted;
    return 0;
}
