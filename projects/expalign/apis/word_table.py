"""Words for the same thing, and words for its kind, as people and the known names have them.

Written for the 1,612 names of COCO, LVIS, Objects365 and OpenImages that the shipped detector knows
best; :func:`other_words` looks a name up by its last word, too.
"""

from collections.abc import Iterator

from expalign.structures.name_keys import name_keys

# Each line: words that are used for one thing.
SAME = '''
airplane, aircraft, plane, jet plane
armchair, chair, recliner, sofa
baby buggy, stroller, pram
backpack, rucksack, bag
bicycle, bike
biscuit, cookie, cracker
boat, ship, watercraft, sailboat
bottle, flask, water bottle
bowl, basin, dish
box, package, parcel, cardboard box, carton, crate
bucket, pail, barrel
bun, bread roll, bread
bus, school bus, van
butterfly, moth, insect
cap, hat, helmet
car, automobile, vehicle, suv
card, playing card, poker card
carton, box, package
cattle, cow, bull, calf
cell phone, mobile phone, smartphone, telephone, cellular telephone
chicken, hen, rooster, cock, bird
chips, crisp, french fries
coat, jacket, parka, overcoat
cork, bottle cap, stopper
couch, sofa, loveseat
cup, mug, coffee cup, teacup, glass
cupboard, cabinet, wardrobe, closet
cutting board, chopping board
date, fruit, raisin, prune
dog, puppy, pet
donkey, domestic ass, mule
donut, doughnut
drone, quadcopter, helicopter
earphone, headphones, headset
eraser, rubber
eyeglasses, glasses, spectacles, sunglasses, goggles
face, human face, head, person
faucet, tap, water faucet
fig, fruit, plum, prune
fire hydrant, fireplug
fire truck, fire engine
flashlight, torch
forklift, machinery vehicle, truck
fridge, refrigerator
garbage can, trash can, waste container, bin, trash bin can
glove, gloves, mitten, boxing glove
goods, package, box
gravestone, tombstone
gull, seabird, bird
hair dryer, hair drier
hand, human hand, fist
handbag, purse, bag, tote bag
hard hat, helmet, safety helmet
hazelnut, nut, chestnut, almond
head, human head, person
headlight, headlamp
helmet, hard hat, bicycle helmet
jeans, trousers, pants
kangaroo, wallaby, animal
kitten, cat
lamp, light, lantern, table lamp
laptop, laptop computer, notebook computer
license plate, vehicle registration plate, number plate
lorry, truck, trailer truck
mask, face mask, gasmask, respirator
microwave, microwave oven
monitor, computer monitor, screen, television
motorcycle, motorbike, motor scooter
package, parcel, box, cardboard box, envelope
pan, frying pan, saucepan
person, man, woman, pedestrian, human
pill, tablet, medicine, capsule
pistol, handgun, gun, weapon
plant, potted plant, houseplant, flower
plate, dish, paper plate
pony, horse, foal
pot, flowerpot, saucepan
potato, vegetable
raccoon, racoon, animal
remote, remote control
rifle, gun, shotgun, weapon
screw, bolt, nail
shoe, sneakers, boot, footwear
shop, store, building
sneaker, shoe, sneakers
sofa, couch
speaker, loudspeaker
street light, streetlight, lamppost
t-shirt, shirt, jersey
taxi, cab, car
television, tv, monitor, television set
tie, necktie, bow tie
tin, can, tin can
tissue, napkin, paper towel
toilet paper, toilet tissue
tractor, farm vehicle
traffic cone, cone
traffic sign, street sign, sign, stop sign
trousers, pants, jeans
tyre, tire, wheel
vest, safety vest, jacket
wallet, purse
wardrobe, cabinet, closet
weed, plant, grass
wood, log, timber
wrench, spanner
'''

# A kind, and what is of it.
KINDS = '''
fruit: apple, apricot, avocado, banana, blackberry, blueberry, cantaloup, cherry, clementine, coconut, date, durian, fig, grape, grapefruit, kiwi, lemon, lime, mandarin, mango, melon, orange, papaya, peach, pear, persimmon, pineapple, plum, pomegranate, prune, raisin, raspberry, strawberry, tangerine, watermelon
berry: blackberry, blueberry, raspberry, strawberry, cranberry, cherry
nut: acorn, almond, cashew, chestnut, hazelnut, macadamia, peanut, pecan, pistachio, walnut
vegetable: artichoke, asparagus, beetroot, bell pepper, broccoli, brussels sprouts, cabbage, carrot, cauliflower, celery, chili, corn, cucumber, eggplant, garlic, ginger, gourd, green bean, leek, lettuce, okra, onion, pea, pepper, potato, pumpkin, radish, squash, sweet potato, tomato, turnip, zucchini
food: bagel, bread, burger, burrito, cake, cheese, cookie, croissant, dumpling, egg, ham, hamburger, hot dog, meatball, noodle, omelet, pancake, pasta, pastry, pie, pizza, pretzel, rice, salad, sandwich, sausage, soup, steak, sushi, taco, tart, toast, tortilla, waffle, fruit, vegetable, nut, meat, snack
dessert: brownie, cake, cupcake, donut, eclair, fudge, gelatin, ice cream, mousse, muffin, pie, pudding, tart
drink: beer, cider, cocktail, coffee, juice, lemonade, milk, milkshake, smoothie, soda, tea, water, wine
animal: alligator, alpaca, antelope, baboon, bat, bear, bull, calf, camel, cat, cheetah, cougar, cow, crocodile, deer, dinosaur, dog, dolphin, donkey, elephant, elk, ferret, fox, frog, gazelle, giraffe, goat, gorilla, hamster, hippopotamus, hog, horse, jaguar, kangaroo, koala, lamb, leopard, lion, lizard, lynx, monkey, mouse, mule, otter, panda, pig, polar bear, porcupine, puppy, rabbit, raccoon, rat, rhinoceros, seal, sheep, skunk, snake, squirrel, tiger, tortoise, turtle, walrus, whale, wolf, yak, zebra, bird, insect, fish
bird: bluejay, canary, chicken, cock, crow, dove, duck, eagle, falcon, flamingo, goose, gull, hen, heron, hummingbird, magpie, mallard, ostrich, owl, parakeet, parrot, pelican, penguin, pigeon, puffin, raven, seagull, sparrow, stork, swan, turkey, vulture, woodpecker
insect: ant, bee, beetle, butterfly, caterpillar, centipede, cockroach, cricket, dragonfly, fly, grasshopper, hornet, ladybug, mosquito, moth, spider, tick, wasp
fish: carp, cod, eel, goldfish, puffer, ray, salmon, shark, starfish, stingray, trout, tuna
shellfish: clam, crab, crawfish, lobster, mussel, oyster, prawn, scallop, shrimp, snail
vehicle: ambulance, bicycle, bulldozer, bus, cab, camper, car, carriage, cart, excavator, fire truck, forklift, golf cart, jeep, limousine, lorry, minivan, motorcycle, pickup, rickshaw, scooter, segway, snowmobile, snowplow, suv, tank, taxi, tractor, train, tram, tricycle, trolley, truck, van, wagon
aircraft: airplane, blimp, drone, fighter jet, glider, helicopter, plane, seaplane
boat: barge, canoe, dinghy, ferry, gondola, houseboat, kayak, raft, sailboat, ship, yacht
furniture: armchair, bed, bench, bookcase, cabinet, chair, couch, cupboard, desk, dresser, footstool, nightstand, ottoman, shelf, sofa, stool, table, wardrobe
container: bag, barrel, basket, bottle, bowl, box, bucket, can, canister, carton, crate, cup, glass, jar, jug, keg, mug, packet, pouch, suitcase, tank, tin, tray, urn, vase
bag: backpack, briefcase, duffel bag, grocery bag, handbag, luggage, plastic bag, pouch, purse, satchel, sack, suitcase, tote bag
tableware: bowl, chopsticks, cup, dish, fork, glass, knife, mug, plate, platter, saucer, spoon, teapot, tray
tool: ax, axe, chainsaw, chisel, clamp, crowbar, drill, file, hammer, knife, mallet, nail, pliers, saw, screwdriver, shears, shovel, tape measure, wrench
machine: blender, crane, dishwasher, engine, excavator, generator, mixer, printer, pump, sewing machine, washing machine
weapon: bow, cannon, dagger, gun, handgun, knife, missile, pistol, rifle, shotgun, spear, sword
clothing: apron, belt, blazer, blouse, cardigan, coat, dress, gown, hoodie, jacket, jeans, jersey, kimono, overalls, pajamas, pants, poncho, raincoat, robe, scarf, shirt, shorts, skirt, sock, suit, sweater, sweatshirt, swimsuit, t-shirt, tie, trousers, underwear, uniform, vest
footwear: boot, flip-flop, high heels, sandal, shoe, skate, slipper, sneaker
hat: beanie, beret, bonnet, bowler hat, cap, crown, fedora, helmet, hood, sombrero, turban, visor
jewelry: bracelet, brooch, earring, necklace, pendant, ring, tiara, watch
musical instrument: accordion, banjo, cello, clarinet, cymbal, drum, flute, guitar, harp, horn, oboe, organ, piano, saxophone, tambourine, trombone, trumpet, tuba, violin
electronics: calculator, camera, computer, keyboard, laptop, monitor, mouse, phone, printer, projector, radio, remote, router, speaker, tablet, telephone, television, webcam
circuit component: capacitor, chip, connector, diode, inductor, led, resistor, transistor, transformer
home appliance: dishwasher, fan, fridge, hair dryer, heater, iron, kettle, microwave, oven, refrigerator, stove, toaster, vacuum cleaner, washing machine
ball: baseball, basketball, beachball, bowling ball, football, golf ball, ping-pong ball, rugby ball, soccer ball, softball, tennis ball, volleyball
toy: doll, figurine, lego, puppet, rag doll, stuffed toy, teddy bear
person: adult, baby, boy, child, cyclist, driver, girl, goalkeeper, kid, man, pedestrian, player, referee, rider, skier, soldier, surfer, swimmer, teenager, woman, worker
plant: bush, cactus, crop, fern, flower, grass, houseplant, leaf, maize, seedling, tree, weed, wheat
flower: carnation, daisy, lavender, lily, orchid, rose, sunflower, tulip
tree: bamboo, maple, oak, palm, pine, willow
building: barn, church, house, hut, lighthouse, office building, shed, silo, skyscraper, tower
sign: billboard, poster, signboard, speed limit sign, stop sign, street sign, traffic sign
coin: cent, dime, dollar, euro, nickel, penny, quarter
playing card: ace, jack, joker, king, queen, ten, nine, eight, seven, six, five, four, three, two
chess piece: bishop, knight, pawn, rook
dice: die, d6, d20
blood cell: erythrocyte, leukocyte, platelet, platelets, rbc, red blood cell, wbc, white blood cell
litter: aluminium can, can, cardboard, cigarette, garbage, glass bottle, plastic, plastic bag, trash, waste
pipe: hose, pipe fitting, tube, valve
crack: fissure, pothole, hole
'''  # noqa: E501
# What the short forms of fields that label much stand for.
SHORT = {
    'rbc': 'red blood cell', 'wbc': 'white blood cell', 'tv': 'television', 'lp': 'license plate',
    'ped': 'pedestrian', 'bike': 'bicycle', 'moto': 'motorcycle', 'pkg': 'package',
    'mask_weared_incorrect': 'face mask', 'with_mask': 'face mask', 'without_mask': 'face',
    'no_mask': 'face', 'nomask': 'face', 'no-mask': 'face'}


def _read(text: str) -> list[list[str]]:
    lines = [line.replace(':', ',').split(',') for line in text.strip().splitlines()]
    return [[word.strip() for word in line] for line in lines]


_SAME, _KINDS = _read(SAME), _read(KINDS)


def other_words(name: str) -> Iterator[str]:
    """Words for the thing that a name says, then for its kind; perhaps some twice.

    Of a name of several words the last ones are looked up, too: 'red wine glass' is a glass.
    """
    words = ' '.join(name.replace('_', ' ').replace('-', ' ').split()).split(' ')
    for start in range(len(words)):
        part = ' '.join(words[start:])
        keys = set(name_keys(part))
        if start:
            yield part
        if part.lower() in SHORT or name.lower() in SHORT:
            yield SHORT.get(name.lower()) or SHORT[part.lower()]
        for line in _SAME:
            if line[0] in keys:
                yield from line[1:]
        for line in _SAME:
            if line[0] not in keys and keys.intersection(line):
                yield line[0]
        for kind, *members in _KINDS:
            if keys.intersection(members):
                yield kind
