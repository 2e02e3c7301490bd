/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "json.h"

/**
 * evidence_print() - why a finished Unit of Work did not succeed: what happened, the last lines of its output, what to change
 *
 * The same words as in its report, made from the record and the output in its folder. Nothing for a success, one without a
 * folder here, or one that can't be read by whoever asks.
 */
void evidence_print(const cJSON *uow);
