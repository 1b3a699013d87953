#!/usr/bin/env python3
"""Makes English recordings for `sori guard --english`: sentences of everyday life, spoken by espeak-ng, as x.wav and x.txt side by side.

usage: make_guard.py OUT [--seed 0]

Then `sori prepare OUT english/ --language en`. Recordings of your own say more: voices of people, transcripts with their marks.
The sentences stand below; none has a large number or a word with two spellings, so that each is written in one way. The same
arguments give the same bytes; what exists is not made again.
"""
import argparse
import os
import random
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from make_corpus import RATE, claim, speak, write  # noqa: E402

VOICES = [f"{accent}+{sex}{number}" for accent in ("en-us", "en-gb") for sex in "mf" for number in range(1, 4)]

SENTENCES = """
The train to the coast leaves every morning before sunrise.
She put the letters on the kitchen table and went to work.
Could you please close the window before it starts to rain?
My brother bought a small house near the river last summer.
We need three more chairs for the meeting this afternoon.
The doctor said that she should drink more water and sleep well.
Nobody knew why the lights went out in the whole street.
They walked along the beach until the sun went down.
If the weather is good, we will have lunch in the garden.
He has worked for the same company for most of his life.
The children are playing football behind the school.
Please tell me when the next bus to the airport is coming.
I forgot my keys at the office, so I had to wait outside.
The museum is closed on Mondays and on public holidays.
This bridge was built by hand a very long time ago.
Where did you learn to speak English so well?
The soup needs a little more salt and a lot more pepper.
She reads the newspaper every morning while she drinks her coffee.
The people next door have two dogs and a very old cat.
The price of bread has gone up again this month.
You can leave your bags here and pick them up in the evening.
The teacher asked the class to open the book on the last page.
It took us the whole day to climb to the top of the mountain.
He opened the door slowly and looked into the dark room.
The farmers are waiting for rain because the fields are dry.
Would you like to come with us to the cinema on Friday?
The company will open a new factory in the north of the country.
She was so tired that she fell asleep in front of the television.
There is a pharmacy on the corner, right next to the bank.
The plane was late, but nobody seemed to be in a hurry.
We have to find a better way to store all these pictures.
The old clock in the hall has not worked since the winter.
Turn left at the church and then follow the road to the lake.
They decided to sell the car and to buy two bicycles.
The government wants to spend more money on schools and hospitals.
I would rather stay at home than go out in this cold wind.
Her grandmother taught her how to bake bread and cakes.
The report must be on my desk by tomorrow morning.
How long have you been waiting for the results?
In the end everybody agreed that the second plan was better.
""".split("\n")[1:-1]


def sound(samples):
    """16 kHz s16le samples as the bytes of a WAV file."""
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", None))
        file.writeframes(samples)
    return out.getvalue()


def make(out, index, sentence, seed):
    target = out / f"{index + 1:02}.wav"
    write(target.with_suffix(".txt"), (sentence + "\n").encode())
    if not target.exists():
        write(target, sound(speak(sentence, random.Random(f"{seed}/english/{index}"), VOICES)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    claim(args.out, {"version": 1, "english": True, "seed": args.seed})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda numbered: make(args.out, *numbered, args.seed), enumerate(SENTENCES)))
    print(f"{args.out}: {len(SENTENCES)} English sentences")


if __name__ == "__main__":
    main()
