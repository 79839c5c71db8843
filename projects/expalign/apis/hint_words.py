"""Words that a name may be asked for by, for hints: ``person`` for ``guy``.

Each line has a name that detectors know well, and words for the same thing or for one of its kind,
so that the name is right wherever the word is. Parts (a face), companions (a rider's horse) and
things that only look alike (a sofa and a chair) are not here. Chosen by hand from WordNet 3.0's
synonyms and kinds of COCO's and Objects365's names.
"""

from collections.abc import Iterator

from expalign.structures.name_keys import name_keys

WORDS = '''
person: man, woman, boy, girl, child, kid, baby, human, human being, guy, lady, gentleman, pedestrian, worker, player, cyclist, biker, rider, skier, surfer, skater, skateboarder, soldier, tourist, athlete, passenger
bicycle: bike, cycle, pushbike, mountain bike, road bike
car: automobile, auto, sedan, coupe, convertible, station wagon, hatchback, police car, compact car, motorcar
motorcycle: motorbike, dirt bike, chopper, motor bike
airplane: aeroplane, plane, airliner, jetliner, jet, passenger jet, bomber, fighter, aircraft
bus: minibus, coach, double decker, school bus, omnibus
train: locomotive, freight train, passenger train, commuter train, railway train, subway train
truck: lorry, pickup, dump truck, delivery truck, fire engine, tanker truck
boat: rowboat, motorboat, speedboat, dinghy, fishing boat, vessel, lifeboat, sailing boat, sailboat
traffic light: stoplight, traffic signal, stop light
fire hydrant: hydrant, fireplug
stop sign: road sign
bench: park bench, pew
bird: finch, fowl, hawk, songbird, seabird, sea bird
cat: kitty, kitten, house cat, tabby, tabby cat, tomcat, feline
dog: doggy, puppy, hound, terrier, husky, greyhound, poodle, spaniel, retriever, collie, canine
horse: mare, stallion, steed, pony, foal, mustang, racehorse
sheep: lamb, ram, ewe
cow: heifer, bull, calf, ox, cattle, bovine
bear: grizzly, grizzly bear, brown bear, black bear
backpack: rucksack, knapsack
umbrella: parasol
handbag: purse, pocketbook, clutch bag
tie: necktie
suitcase: luggage, travelling bag, baggage
frisbee: flying disc
surfboard: paddle board, longboard
skateboard: longboard
tennis racket: racquet, tennis racquet
bottle: flask, water bottle, beer bottle, wine bottle
wine glass: goblet, stemware, wineglass
cup: mug, teacup, coffee cup
knife: bread knife, pocket knife, butter knife, blade
spoon: teaspoon, tablespoon
bowl: basin, salad bowl
orange: tangerine, clementine
hot dog: frankfurter
donut: doughnut
cake: gateau, birthday cake, layer cake, sponge cake
chair: armchair, recliner, easy chair, deck chair, lawn chair, rocking chair, wing chair
couch: sofa, loveseat, settee, love seat
potted plant: houseplant, pot plant
bed: double bed, bunk bed, hospital bed
dining table: dinner table, kitchen table
toilet: loo, water closet, lavatory
tv: television, television set, telly, flat screen
laptop: notebook computer, laptop computer
mouse: computer mouse
remote: remote control, clicker
keyboard: computer keyboard
cell phone: smartphone, cellphone, mobile phone, mobile, cellular phone, cellular telephone
microwave: microwave oven
oven: cooker, range
refrigerator: fridge, icebox, freezer
book: paperback, hardcover, novel
clock: timepiece, wall clock, alarm clock, grandfather clock
scissors: shears
teddy bear: stuffed animal, plush toy, teddy
hair drier: hair dryer, blow dryer
desk: writing table
hat: bowler hat, straw hat, top hat, fedora
gun: firearm, revolver, handgun, pistol, rifle
lamp: table lamp, floor lamp
ship: freighter, cargo ship, cruise ship, warship, ocean liner
glasses: spectacles, eyeglasses
flower: daisy, poppy, orchid, tulip, lily
ball: football, volleyball, beach ball
monitor: computer monitor, screen
box: carton, parcel, package, cardboard box
trash can: garbage can, waste bin, dustbin, bin
street light: streetlight, lamppost, lamp post
'''  # noqa: E501


def _read(text: str) -> dict[str, list[str]]:
    """The names by word."""
    found: dict[str, list[str]] = {}
    for line in text.strip().splitlines():
        name, words = line.split(': ')
        for word in words.split(', '):
            found.setdefault(word, []).append(name)
    return found


_NAMES = _read(WORDS)


def better_names(prompt: str) -> Iterator[str]:
    """Names that stand for what a prompt says, or for its kind; perhaps some twice."""
    for key in name_keys(prompt):
        yield from _NAMES.get(key, ())
